from __future__ import annotations

import argparse
import hashlib
import json
from types import MappingProxyType

import pytest
from weight_server import Served, serving

from posetrack.cli import models as command
from posetrack.weights.catalogue import MODELS, CatalogueEntry, RemoteFile

CONTENT = b"weights" * 1000


@pytest.fixture
def server():
    with serving() as running:
        running.files["/here.pth"] = Served(CONTENT)
        yield running


@pytest.fixture
def table(server, monkeypatch):
    """A small table of our own: two pose models, one of which is not there, and a detector."""
    digits = hashlib.sha256(CONTENT).hexdigest()[:8]

    def card(name: str, kind: str, path: str) -> CatalogueEntry:
        file = RemoteFile(f"{server.url}/{path}", digits, "mmpose1")
        return CatalogueEntry(
            name, kind, "any", (file,), len(CONTENT), licence="MIT", accuracy="AP 1"
        )

    cards = [
        card("here", "pose", "here.pth"),
        card("gone", "pose", "gone.pth"),
        card("boxes", "detector", "boxes.pth"),
    ]
    server.files["/boxes.pth"] = Served(CONTENT)
    small = MappingProxyType({card.name: card for card in cards})
    monkeypatch.setattr("posetrack.weights.catalogue.MODELS", small)
    monkeypatch.setattr(command, "MODELS", small)
    return small


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path))
    monkeypatch.delenv("POSETRACK_OFFLINE", raising=False)
    return tmp_path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="posetrack")
    command.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["models", *words])
    return args.run(args)


def test_list_shows_every_model_once_and_what_one_chooses_by(capsys):
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[1:] if line.split()[-1:] in (["no"], ["yes"])}
    assert set(rows) == set(MODELS)
    row = rows["pose_resnet50_coco_256x192"].split()
    assert row[1:5] == ["pose", "136", "192x256", "coco_17"]
    assert row[-2:] == ["Apache-2.0", "no"]


def test_list_can_be_narrowed_to_a_kind(capsys):
    assert run("list", "--kind", "flow") == 0
    out = capsys.readouterr().out
    assert "raft_small" in out
    assert "pose_resnet" not in out


def test_list_says_which_models_are_here(table, capsys):
    run("download", "here")
    capsys.readouterr()
    run("list")
    here = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:4]}
    assert here == {"here": "yes", "gone": "no", "boxes": "no"}


def test_list_as_json_holds_everything(table, home, capsys):
    run("download", "here")
    capsys.readouterr()
    assert run("list", "--json") == 0
    objects = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert objects["here"]["path"] == str(home / "weights" / "here.pth")
    assert objects["gone"]["path"] is None
    assert set(objects["here"]) - {"path"} == set(CatalogueEntry.__dataclass_fields__)
    assert objects["here"]["files"][0]["url"] == table["here"].files[0].url


def test_download_prints_the_path_and_nothing_else(table, home, capsys):
    assert run("download", "here", "boxes") == 0
    out, err = capsys.readouterr()
    folder = home / "weights"
    assert out.splitlines() == [str(folder / "here.pth"), str(folder / "boxes.pth")]
    assert err == ""  # no bar: this is not a terminal
    assert (folder / "here.pth").read_bytes() == CONTENT


def test_download_goes_on_after_one_that_fails_and_says_so_at_the_end(table, capsys):
    assert run("download", "gone", "here") == 1
    out, err = capsys.readouterr()
    assert out.endswith("here.pth\n")
    assert "HTTP status 404" in err
    assert "1 of 2 models were not fetched" in err


def test_download_all_of_a_kind(table, server):
    assert run("download", "--all", "--kind", "detector") == 0
    assert server.paths() == ["/boxes.pth"]


def test_a_wrong_name_among_right_ones_stops_before_any_download(table, server):
    with pytest.raises(ValueError, match="no model is called 'heer'; did you mean 'here'"):
        run("download", "boxes", "heer")
    assert server.asked == []


@pytest.mark.parametrize(
    "words", [[], ["--all", "here"], ["--kind", "pose"], ["here", "--kind", "pose"]]
)
def test_download_without_a_clear_wish_is_wrong_use(table, server, words, capsys):
    assert run("download", *words) == 2
    assert "--all" in capsys.readouterr().err
    assert server.asked == []


def test_download_offline_fails_with_the_ways_out(table, monkeypatch, capsys):
    monkeypatch.setenv("POSETRACK_OFFLINE", "1")
    assert run("download", "here") == 1
    assert "What you can do" in capsys.readouterr().err


def test_a_terminal_gets_a_progress_bar(table, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run("download", "here") == 0
    err = capsys.readouterr().err
    assert "here" in err
    assert "100%" in err


def test_path_prints_where_it_is(table, home, capsys):
    run("download", "here")
    capsys.readouterr()
    assert run("path", "here") == 0
    assert capsys.readouterr().out == f"{home / 'weights' / 'here.pth'}\n"


def test_path_of_what_is_not_here_fails_and_says_how_to_get_it(table, capsys):
    assert run("path", "gone") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "posetrack models download gone" in err


def test_path_of_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="did you mean"):
        run("path", "raft_smal")


@pytest.mark.parametrize("words", [[], ["list"], ["download"], ["path"]])
def test_every_help_runs(words, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(*words, "--help")
    assert stopped.value.code == 0
    assert "usage: posetrack models" in capsys.readouterr().out
