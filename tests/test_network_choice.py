"""Which network is taken where several could be: hosts in order, defaults, what is said."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")

from onnx_files import answering, brightness_maps
from weight_server import Served, Server, refused_port, serving

from posetrack import build
from posetrack.cli import main
from posetrack.structures import Detections
from posetrack.weights import fetch, find_cached
from posetrack.weights.catalogue import MODELS, CatalogueEntry, RemoteFile
from posetrack.weights.checking import check_models, find_changes
from posetrack.weights.hosts import SECONDS, remember_silent, silent_hosts

IMAGE = np.zeros((96, 96, 3), np.uint8)
BOXES = Detections([[10, 10, 60, 90]], [0.9])


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("published")
    vectors = {"simcc_x": np.ones((1, 17, 96), np.float32),
               "simcc_y": np.ones((1, 17, 128), np.float32)}  # fmt: skip
    return {
        "small": answering(folder / "a.onnx", vectors, input_shape=(1, 3, 64, 48)).read_bytes(),
        "paper": brightness_maps(folder / "b.onnx", 17).read_bytes(),
    }


@pytest.fixture
def server(
    published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Server]:
    """Two networks, each in one file of a host that answers; the first choice is ``small``."""
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path))
    monkeypatch.delenv("POSETRACK_OFFLINE", raising=False)
    with serving() as running:
        for name, content in published.items():
            running.files[f"/{name}.onnx"] = Served(content)
        set_table(monkeypatch, published, {name: [running.url] for name in published})
        monkeypatch.setattr(build, "ESTIMATORS_ON_CPU", ("small", "paper"))
        yield running


def set_table(
    monkeypatch: pytest.MonkeyPatch, published: dict[str, bytes], hosts: dict[str, list[str]]
) -> None:
    rows = {
        name: CatalogueEntry(
            name,
            "pose",
            "onnx",
            tuple(
                RemoteFile(f"{host}/{name}.onnx", hashlib.sha256(content).hexdigest(), "onnx")
                for host in hosts[name]
            ),
            len(content),
            skeleton="coco_17",
        )
        for name, content in published.items()
    }
    table = MappingProxyType({**MODELS, **rows})
    monkeypatch.setattr("posetrack.weights.catalogue.MODELS", table)
    monkeypatch.setattr(build, "MODELS", table)


def test_the_first_that_answers_is_taken_and_nothing_is_said(server: Server) -> None:
    found = build.find_default("estimator", "cpu")
    assert (found.name, found.taken, found.problem) == ("small", "", "")
    assert build.explain_defaults([found]) == ""
    poses = build.build_default(found, device="cpu")(IMAGE, BOXES)
    assert poses.xy.shape == (1, 17, 2)


def test_the_second_is_taken_where_the_first_cannot_be_had(server: Server) -> None:
    server.files["/small.onnx"].status = 503
    found = build.find_default("estimator", "cpu")
    assert (found.name, found.taken) == ("small", "paper")
    assert "HTTP status 503" in found.problem
    sentence = build.explain_defaults([found])
    assert sentence.startswith("small (")
    assert sentence.endswith("could not be had, so paper is used")
    assert build.build_default(found, device="cpu")(IMAGE, BOXES).xy.shape == (1, 17, 2)


def test_the_second_host_of_a_row_is_asked_where_the_first_refuses(
    server: Server, monkeypatch: pytest.MonkeyPatch, published: dict[str, bytes]
) -> None:
    with refused_port() as port:
        dead = f"http://127.0.0.1:{port}"
        set_table(monkeypatch, published, {"small": [dead, server.url], "paper": [server.url]})
        assert build.find_default("estimator", "cpu").taken == ""
    assert server.paths() == ["/small.onnx"]


def test_a_tampered_file_is_taken_from_no_host(
    server: Server, monkeypatch: pytest.MonkeyPatch, published: dict[str, bytes]
) -> None:
    with serving() as other:
        bad = published["small"][:-1] + b"x"
        server.files["/small.onnx"] = Served(bad)
        other.files["/small.onnx"] = Served(bad)
        hosts = {"small": [server.url, other.url], "paper": [server.url]}
        set_table(monkeypatch, published, hosts)
        found = build.find_default("estimator", "cpu")
        assert len(other.asked) == 1
    assert found.taken == "paper"
    assert found.problem.count("not the file expected") == 2
    server.files["/paper.onnx"] = Served(published["paper"][:-1] + b"x")
    (build.weights_folder() / "paper.onnx").unlink()
    assert build.find_default("estimator", "cpu").path is None


def test_a_file_that_is_here_counts_as_reachable(server: Server) -> None:
    fetch("small")
    fetch("paper")
    for file in server.files.values():
        file.status = 503
    for offline in (False, True):
        found = build.find_default("estimator", "cpu", offline=offline)
        assert (found.taken, found.path) == ("", find_cached("small"))
    (build.weights_folder() / "small.onnx").unlink()
    found = build.find_default("estimator", "cpu", offline=True)
    assert (found.taken, found.problem) == ("paper", "downloads are switched off")


def test_a_network_whose_library_is_not_here_is_passed_over(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "onnxruntime" else 1)
    found = build.find_default("estimator", "cpu")
    assert found.path is None
    needed = 'it needs onnxruntime, which is not installed (pip install "posetrack[onnx]")'
    assert found.problem == needed
    assert server.asked == []
    sentence = build.explain_defaults([found])
    assert needed in sentence
    assert "models download" not in sentence, "what is missing is a library"
    detector = build.DefaultNetwork("detector", "boxes", None, "no answer")
    assert "`posetrack models download boxes` brings boxes;" in (
        build.explain_defaults([found, detector])
    )


def of_hub(server: Server, name: str = "vitpose_base") -> CatalogueEntry:
    """A row in the form of the hub's, and its three files on the server."""
    for file in ("model.safetensors", "config.json", "preprocessor_config.json"):
        server.files[f"/{name}/{file}"] = Served(file.encode())
    server.files[f"/{name}/model.safetensors"].linked = linked(b"model.safetensors")
    file = RemoteFile(f"{server.url}/{name}/model.safetensors", "", "transformers")
    return CatalogueEntry(name, "pose", "vitpose", (file,), 1000, skeleton="coco_17")


def test_a_network_of_the_hub_is_passed_over_without_its_library_and_the_next_is_taken(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from posetrack.weights import catalogue

    table = MappingProxyType({**catalogue.MODELS, "vitpose_base": of_hub(server)})
    monkeypatch.setattr(catalogue, "MODELS", table)
    server.files["/small.onnx"].status = 503
    names = ("small", "vitpose_base", "paper")
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "transformers" else 1)
    found = build.find_default("estimator", "cpu", names=names)
    assert found.taken == "paper"
    assert 'nor vitpose_base: it needs transformers, which is not installed (pip install "pos' in (
        found.problem
    )
    assert build.explain_defaults([found]).count("transformers") == 1
    with pytest.raises(ModuleNotFoundError, match="vitpose-base needs transformers"):
        build.build_estimator("vitpose-base", device="cpu")
    assert "/vitpose_base/model.safetensors" not in server.paths()
    monkeypatch.setattr(build, "find_spec", lambda _: 1)
    found = build.find_default("estimator", "cpu", names=names)
    assert found.taken == "vitpose_base"
    assert found.path is not None
    assert sorted(path.name for path in found.path.parent.iterdir() if path.suffix != ".lock") == [
        *("config.json", "config.json.verified", "model.safetensors"),
        *("model.safetensors.verified", "preprocessor_config.json"),
        "preprocessor_config.json.verified",
    ]
    from posetrack.runs.networks import weight_files

    made = weight_files({}, defaults={"estimator": found})["estimator"]
    assert isinstance(made, dict)
    assert (made["name"], made["in_place_of"]) == ("vitpose_base", "small")


def test_a_changed_file_beside_weights_of_the_hub_is_noticed(server: Server) -> None:
    card = of_hub(server)
    path = fetch(card)
    assert find_cached(card) == path
    path.with_name("config.json").write_text("{}")
    assert find_cached(card) is None
    server.files["/vitpose_base/config.json"] = Served(b"{}")
    with pytest.warns(UserWarning, match="changed"), pytest.raises(ConnectionError, match="first"):
        fetch(card)


def test_on_a_gpu_the_paper_s_network_comes_first_then_those_of_two_other_hosts() -> None:
    names = build.estimator_names("cuda")
    assert names == (build.ESTIMATOR, "vitpose_base", "keypointrcnn_resnet50_fpn")
    assert all(MODELS[name].serves_as("pose") for name in names)


def test_with_no_host_the_bundled_one_is_taken_and_each_reason_said_once(server: Server) -> None:
    for file in server.files.values():
        file.status = 503
    found = build.find_default("estimator", "cpu")
    assert (found.name, found.path) == ("small", None)
    assert found.problem.count("HTTP status 503") == 1


def test_a_named_network_never_falls_back(server: Server) -> None:
    server.files["/small.onnx"].status = 503
    with pytest.raises(ConnectionError, match="What you can do"):
        build.build_estimator("small", device="cpu")


def test_a_file_that_several_hosts_have_is_named_once(
    server: Server, monkeypatch: pytest.MonkeyPatch, published: dict[str, bytes]
) -> None:
    with serving() as other:
        hosts = {"small": [server.url, other.url], "paper": [server.url]}
        set_table(monkeypatch, published, hosts)
        server.files["/small.onnx"].status = 503
        with pytest.raises(ConnectionError, match=r"and copy \w+\.onnx to "):
            build.build_estimator("small", device="cpu")


def test_all_waiting_together_stays_within_the_time_allowed(
    server: Server, monkeypatch: pytest.MonkeyPatch, published: dict[str, bytes]
) -> None:
    with serving() as other, serving() as third:
        hosts = {"small": [server.url, other.url], "paper": [third.url]}
        for silent in (server, other, third):
            for name in published:
                silent.files[f"/{name}.onnx"] = Served(silent=True)
        set_table(monkeypatch, published, hosts)
        waits: list[float] = []
        real = build.fetch_in_time

        def noted(entry: Any, seconds: float, **more: Any) -> Any:
            waits.append(seconds * len(entry.files))
            return real(entry, seconds, **more)

        monkeypatch.setattr(build, "fetch_in_time", noted)
        found = build.find_default("estimator", "cpu", answer_within=0.9)
        assert len(other.asked) == len(third.asked) == 1
    assert found.path is None
    assert len(waits) == 2
    # Each host has its share of what is left: none has waited in vain for another.
    assert waits[0] == pytest.approx(0.6, abs=0.05)
    assert waits[1] <= 0.35


def test_a_host_that_did_not_answer_is_not_asked_again_for_a_day(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/small.onnx"].silent = server.files["/paper.onnx"].silent = True
    assert build.find_default("estimator", "cpu", answer_within=0.2).path is None
    asked = len(server.asked)
    folder = build.weights_folder()
    assert list(silent_hosts(folder)) == [server.url.removeprefix("http://")]
    again = build.find_default("estimator", "cpu")
    assert "no answer 0 min ago" in again.problem
    assert len(server.asked) == asked
    for file in server.files.values():
        file.silent = False
    # Who names a network means it, and what answers is forgotten.
    assert fetch("small").is_file()
    assert silent_hosts(folder) == {}
    remember_silent("example.org", folder)
    monkeypatch.setattr("posetrack.weights.hosts.time.time", lambda: 1e10 + SECONDS)
    assert silent_hosts(folder) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "b"}', '{"a": true}', '{"a": 1e400}'])
def test_nonsense_about_hosts_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "silent_hosts.json").write_text(text)
    assert silent_hosts(tmp_path) == {}
    remember_silent("b", tmp_path)
    assert list(silent_hosts(tmp_path)) == ["b"]


def test_the_command_says_what_it_took_and_the_table_why(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import cv2

    images = tmp_path / "images"
    images.mkdir()
    cv2.imwrite(str(images / "1.png"), IMAGE)
    server.files["/small.onnx"].status = 503
    words = ["--detector", "bundled", "--device", "cpu", "--format", "csv", "--no-overlay"]
    assert main(["track", str(images), "-o", str(tmp_path / "out"), *words]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert sum("so paper is used" in line for line in lines) == 1
    assert "posetrack: taking paper as estimator" in lines
    meta = json.loads((tmp_path / "out" / "images.csv.meta.json").read_text())
    made = meta["provenance"]["weights"]["estimator"]
    assert (made["file"], made["in_place_of"]) == ("paper.onnx", "small")
    assert "HTTP status 503" in made["because"]


def linked(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


@pytest.mark.parametrize("stated", ["right", "wrong", "none"])
def test_a_hub_that_states_a_hash_is_held_to_it(
    server: Server, published: dict[str, bytes], stated: str
) -> None:
    content = published["small"]
    server.files["/hub.onnx"] = Served(content)
    if stated != "none":
        server.files["/hub.onnx"].linked = linked(content if stated == "right" else b"other")
    file = RemoteFile(f"{server.url}/hub.onnx", "", "onnx")
    card = CatalogueEntry("hub", "pose", "onnx", (file,), len(content))
    if stated == "wrong":
        with pytest.raises(ConnectionError, match="not the file that its host states"):
            fetch(card)
    else:
        assert fetch(card).read_bytes() == content


def test_the_hub_s_mirror_is_asked_where_one_is_set(
    server: Server, published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.url + "/")
    server.files["/some/net.onnx"] = Served(published["small"])
    file = RemoteFile("https://huggingface.co/some/net.onnx", "", "onnx")
    assert fetch(CatalogueEntry("n", "pose", "onnx", (file,), 1000)).is_file()


def test_checking_tells_hosts_and_files_apart(
    server: Server, published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    with refused_port() as port:
        dead = f"http://127.0.0.1:{port}"
        set_table(monkeypatch, published, {"small": [dead, server.url], "paper": [server.url]})
        from posetrack.weights.catalogue import MODELS as TABLE

        cards = [TABLE["small"], TABLE["paper"]]
        del server.files["/paper.onnx"]
        states = [check.state for check in check_models(cards)]
        assert states == ["no answer", "as it was", "not there"]
        server.files["/small.onnx"].linked = linked(b"another")
        assert check_models(cards[:1])[1].state == "changed"
        assert dead.removeprefix("http://") in silent_hosts(build.weights_folder())
    assert "/small.onnx" in server.paths()
    assert not (build.weights_folder() / "small.onnx").exists()


def test_a_copy_that_changed_is_told(server: Server, published: dict[str, bytes]) -> None:
    path = fetch("small")
    from posetrack.weights.catalogue import MODELS as TABLE

    assert find_changes([TABLE["small"]]) == []
    path.write_bytes(published["paper"])
    assert find_changes([TABLE["small"]]) == [path]


def test_the_command_checks_and_fails_where_a_file_changed(
    server: Server, published: dict[str, bytes], capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert main(["models", "check", "small", "paper"]) == 0
    host = server.url.removeprefix("http://")
    assert f"{host}: answers; files: 2 as it was" in capsys.readouterr().out
    fetch("small").write_bytes(b"x")
    assert main(["models", "check", "small", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["files"][0]["state"] == "changed"
    assert told["changed_here"] == [str(build.weights_folder() / "small.onnx")]
