from __future__ import annotations

import hashlib
import re
from types import MappingProxyType

import numpy as np
import pytest
from weight_server import Served, serving

from posetrack import Detections, Tracker
from posetrack import build as defaults
from posetrack.weights.catalogue import MODELS, CatalogueEntry, RemoteFile

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")


@pytest.fixture(scope="session")
def contents(tmp_path_factory) -> dict[str, bytes]:
    """Files as they are published, of small networks whose weights are drawn at random."""
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large
    from torchvision.models.optical_flow import raft_small

    from posetrack.networks.pose_resnet import PoseResNet

    torch.manual_seed(0)
    pose = PoseResNet(18, 17, deconv_channels=(16, 16, 16)).state_dict()
    named = {
        ("keypoint_head." if name.startswith(("deconv", "final")) else "backbone.") + name: value
        for name, value in pose.items()
    }
    networks = {
        "pose": {"meta": {}, "state_dict": named},
        "detector": ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).state_dict(),
        "flow": raft_small(weights=None).state_dict(),
    }
    path = tmp_path_factory.mktemp("published") / "file.pth"
    files = {}
    for kind, network in networks.items():
        torch.save(network, path)
        files[kind] = path.read_bytes()
    return files


@pytest.fixture
def server(contents, monkeypatch, tmp_path):
    """A server with these files, and a table in which they are the defaults."""
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path))
    monkeypatch.delenv("POSETRACK_OFFLINE", raising=False)
    # Torch alone runs the pose network: exporting it to others takes seconds, and is not ours.
    monkeypatch.setattr("posetrack.runtimes.torch_crops.find_spec", lambda _: None)
    # One choice, but for the tests of the list itself.
    monkeypatch.setattr(defaults, "ESTIMATORS_ON_CPU", (defaults.ESTIMATOR,))
    with serving() as running:

        def card(like: CatalogueEntry, name: str, builder: str) -> CatalogueEntry:
            content = contents[like.kind]
            running.files[f"/{name}.pth"] = Served(content)
            file = RemoteFile(
                f"{running.url}/{name}.pth",
                hashlib.sha256(content).hexdigest()[:8],
                like.files[0].layout,
            )
            facts = {**vars(like), "name": name, "builder": builder, "files": (file,)}
            return CatalogueEntry(**{**facts, "size": len(content)})

        pose, flow = MODELS[defaults.ESTIMATOR], MODELS["raft_small"]
        boxes = MODELS[defaults.DETECTOR_ON_CPU]
        cards = [
            card(pose, defaults.ESTIMATOR, "pose_resnet"),
            card(boxes, defaults.DETECTOR_ON_CPU, "ssdlite320_mobilenet_v3_large"),
            card(boxes, defaults.DETECTOR_ON_GPU, "ssdlite320_mobilenet_v3_large"),
            card(flow, "raft_small", "raft_small"),
        ]
        table = MappingProxyType({each.name: each for each in cards})
        monkeypatch.setattr("posetrack.weights.catalogue.MODELS", table)
        monkeypatch.setattr(defaults, "MODELS", table)
        yield running


IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


def test_the_defaults_are_in_the_table_and_of_the_right_kind():
    assert MODELS[defaults.ESTIMATOR].kind == "pose"
    assert MODELS[defaults.ESTIMATOR].files[0].sha256 == "04af38ce"
    assert MODELS[defaults.DETECTOR_ON_CPU].kind == "detector"
    assert MODELS[defaults.DETECTOR_ON_GPU].kind == "detector"


def test_the_default_estimator_is_fetched_once_and_finds_poses(server):
    estimate = defaults.build_estimator(device="cpu")
    poses = estimate(IMAGE, Detections([[10, 10, 60, 110]], [0.9]))
    assert poses.skeleton.name == "coco_17"
    assert np.isfinite(poses.xy).all()
    defaults.build_estimator(device="cpu", flip_test=True)
    assert server.paths() == [f"/{defaults.ESTIMATOR}.pth"]


def test_the_default_estimator_is_set_up_as_its_row_says(server):
    estimate = defaults.build_estimator(device="cpu", padding=1.5)
    assert estimate.input_size == (192, 256)
    assert estimate.normalisation.rgb
    assert estimate.normalisation.mean == (0.485, 0.456, 0.406)
    assert estimate.padding == 1.5


def test_the_default_detector_takes_an_image_and_settings(server):
    detect = defaults.build_detector(device="cpu", min_score=0.25)
    assert isinstance(detect(IMAGE), Detections)
    assert detect.min_score == 0.25
    assert server.paths() == [f"/{defaults.DETECTOR_ON_CPU}.pth"]


@pytest.mark.parametrize(
    ("device", "cuda_is_here", "expected"),
    [
        ("auto", True, defaults.DETECTOR_ON_GPU),
        ("auto", False, defaults.DETECTOR_ON_CPU),
        ("cuda:1", True, defaults.DETECTOR_ON_GPU),
        ("cpu", True, defaults.DETECTOR_ON_CPU),
    ],
)
def test_the_detector_is_chosen_for_the_device(monkeypatch, device, cuda_is_here, expected):
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda_is_here)
    monkeypatch.setenv("POSETRACK_OFFLINE", "1")
    assert defaults.find_default("detector", device).name == expected


def test_the_default_flow_needs_no_weights(server):
    flow = defaults.default_flow("cpu")
    assert flow.move(flow.prepare(IMAGE), flow.prepare(IMAGE), np.ones((2, 2)))[0].shape == (2, 2)
    assert server.asked == []


def test_a_flow_network_is_built_by_name(server):
    flow = defaults.build_flow("raft-small", device="cpu", updates=1)
    before = flow.prepare(IMAGE)
    assert flow.move(before, before, np.full((1, 2), 50.0))[0].shape == (1, 2)


def test_a_tracker_alone_fetches_its_networks_when_they_are_first_needed(server):
    tracker = Tracker(device="cpu")
    assert server.asked == []
    tracker.update(IMAGE)
    assert set(server.paths()) >= {f"/{defaults.DETECTOR_ON_CPU}.pth"}


def refuse(server):
    for file in server.files.values():
        file.status = 503


def tamper(server):
    for file in server.files.values():
        file.content = file.content[:-1] + b"x"


@pytest.mark.parametrize(
    ("harm", "reason"), [(refuse, "HTTP status 503"), (tamper, "not the file expected")]
)
@pytest.mark.parametrize("kind", ["detector", "estimator"])
def test_a_default_that_cannot_be_had_is_the_bundled_one(server, kind, harm, reason):
    harm(server)
    found = defaults.find_default(kind, "cpu")
    assert found.path is None
    assert found.file == defaults.find_bundled_file(kind)
    assert found.problem.startswith(f"{server.url.removeprefix('http://')}: {reason}")
    assert "\n" not in found.problem


def test_a_host_that_hangs_is_given_up_in_time_and_asked_once(server, monkeypatch):
    card = MODELS[defaults.ESTIMATOR]
    files = []
    for name in ("one", "two"):
        server.files[f"/{name}.pth"] = Served(silent=True)
        files.append(RemoteFile(f"{server.url}/{name}.pth", "0123abcd", "mmpose1"))
    hanging = CatalogueEntry(**{**vars(card), "files": tuple(files)})
    monkeypatch.setattr("posetrack.weights.catalogue.MODELS", {card.name: hanging})
    found = defaults.find_default("estimator", "cpu", answer_within=0.2)
    assert found.path is None
    allowed = re.search(r"no answer within ([\d.]+) seconds$", found.problem)
    assert allowed is not None, found.problem
    assert 0 < float(allowed[1]) <= 0.2  # a moment has gone before the host is asked
    assert server.paths() == ["/one.pth"]


def test_the_hosts_of_both_defaults_have_ten_seconds_at_most():
    assert 2 * defaults.SECONDS_TO_ANSWER <= 10


def test_a_tampered_file_in_the_cache_is_not_used(server):
    path = defaults.find_default("detector", "cpu").path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    refuse(server)
    with pytest.warns(UserWarning, match="changed since it was brought here"):
        found = defaults.find_default("detector", "cpu")
    assert found.path is None
    assert f"{path}: changed since it was brought here" in found.problem


def test_a_default_that_is_here_needs_no_host(server):
    path = defaults.find_default("estimator", "cpu").path
    refuse(server)
    for offline in (False, True):
        found = defaults.find_default("estimator", "cpu", offline=offline)
        assert (found.path, found.problem) == (path, "")
    assert len(server.asked) == 1


def test_a_folder_that_cannot_be_written_to_is_a_reason_too(server, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "file"))
    found = defaults.find_default("estimator", "cpu")
    assert found.path is None
    assert "cannot write to the folder for weights" in found.problem


def test_a_tracker_says_once_that_both_networks_are_bundled_ones(server):
    refuse(server)
    tracker = Tracker(device="cpu")
    with pytest.warns(UserWarning, match="posetrack models download") as caught:
        tracker.update(IMAGE)
    assert len(caught) == 1
    for name in (defaults.ESTIMATOR, defaults.DETECTOR_ON_CPU):
        assert name in str(caught[0].message)
    tracker.update(IMAGE)  # nothing more is said, or asked
    assert len(server.asked) == 2


def test_offline_the_defaults_are_the_bundled_ones_and_the_reason_is_said(server):
    for build in (defaults.build_detector, defaults.build_estimator):
        with pytest.warns(UserWarning, match="downloads are switched off"):
            build(device="cpu", offline=True)
    assert server.asked == []


def test_a_network_that_was_named_is_never_replaced(server):
    refuse(server)
    with pytest.raises(ConnectionError, match="What you can do"):
        defaults.build_estimator(defaults.ESTIMATOR, device="cpu")
    with pytest.raises(FileNotFoundError, match="What you can do"):
        defaults.build_detector(defaults.DETECTOR_ON_CPU, device="cpu", offline=True)


def test_without_bundled_networks_the_error_names_the_ways_out(server, monkeypatch):
    monkeypatch.setattr(defaults, "BUNDLED_FILES", dict.fromkeys(defaults.BUNDLED_FILES, "none"))
    with pytest.raises(FileNotFoundError, match="What you can do"):
        defaults.find_default("detector", "cpu", offline=True)


def test_progress_is_reported(server, contents):
    seen = []
    defaults.build_detector(device="cpu", progress=lambda done, _: seen.append(done))
    assert seen[-1] == len(contents["detector"])


def test_a_published_file_is_known_by_its_hash_whatever_its_name(server, contents, tmp_path):
    path = tmp_path / "renamed.bin"
    path.write_bytes(contents["detector"])
    assert isinstance(defaults.build_detector(path, device="cpu")(IMAGE), Detections)
    assert server.asked == []


def test_a_file_that_is_not_in_the_table_is_refused(server, tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"something")
    with pytest.raises(ValueError, match="not one of the files of the detector models"):
        defaults.build_detector(path, device="cpu")


def test_a_name_of_another_kind_is_refused_with_those_of_the_right_one(server):
    with pytest.raises(ValueError, match="is a pose model; expected a detector") as caught:
        defaults.build_detector(defaults.ESTIMATOR, device="cpu")
    assert defaults.DETECTOR_ON_CPU in str(caught.value)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no model is called"):
        defaults.build_estimator("pose_resnet51_coco_256x192")
