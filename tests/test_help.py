"""Every command explains itself, and shows the defaults that the library has."""

from __future__ import annotations

import argparse
import inspect
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from posetrack import Tracker
from posetrack.cli import main, parser


def commands(
    top: argparse.ArgumentParser, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command and subcommand with its parser."""
    yield words, top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from commands(below, (*words, name))


EVERY = dict(commands(parser()))


def test_all_commands_are_there() -> None:
    names = {words[0] for words in EVERY if words}
    assert {"track", "demo", "eval", "models"} <= names
    assert ("models", "list") in EVERY
    assert ("models", "download") in EVERY


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_is_printed_and_says_what_every_option_is_for(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    for action in EVERY[words]._actions:
        if isinstance(action, argparse._SubParsersAction):
            explained = {choice.dest for choice in action._choices_actions if choice.help}
            assert explained == set(action.choices)
            continue
        assert action.help, f"{action.dest} has no help"
        for option in action.option_strings:
            assert option in shown.out


def tracker_settings() -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(Tracker).parameters
    others = ("similarity", "match")  # chosen by name on the command line
    return {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name not in others
    }


@pytest.mark.parametrize("name", tracker_settings())
def test_every_setting_of_the_tracker_is_an_option_with_its_default(name: str) -> None:
    default = tracker_settings()[name].default
    arguments = parser().parse_args(["track", "video.mp4"])
    assert getattr(arguments, name) == default
    assert type(getattr(arguments, name)) is type(default)


@pytest.mark.parametrize("name", sorted(set(tracker_settings()) - {"device"}))
def test_the_default_shown_in_the_help_is_the_trackers(name: str) -> None:
    default = tracker_settings()[name].default
    text = " ".join(EVERY["track",].format_help().split())
    option = "--" + name.replace("_", "-")
    shown = re.search(rf" {option}\b(?! [A-Z]\]| \|).*?\(default: ([^)]*)\)", options_of(text))
    assert shown is not None
    assert shown[1] == str(default)


def options_of(text: str) -> str:
    """The help after its usage line."""
    return text[text.index("positional arguments") :]


def test_similarity_and_matching_default_to_what_the_tracker_has() -> None:
    from posetrack.ops.matching import match_greedily
    from posetrack.tracking.association import pose_similarity

    parameters = inspect.signature(Tracker).parameters
    arguments = parser().parse_args(["track", "video.mp4"])
    assert parameters["similarity"].default is pose_similarity
    assert parameters["match"].default is match_greedily
    assert (arguments.similarity, arguments.match) == ("oks", "greedy")


@pytest.mark.parametrize(
    "words", [["track"], ["nonsense"], [], ["track", "a.mp4", "--memoy", "3"], ["eval"]], ids=str
)
def test_wrong_use_exits_with_two_and_says_so(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_module_runs_and_loads_no_network_library_for_its_help() -> None:
    code = (
        "import sys; from posetrack.cli import parser; parser().format_help();"
        "heavy = {'torch', 'onnxruntime', 'av', 'pandas', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-m", "posetrack", "--version"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert shown.stdout.startswith("posetrack ")


def test_being_told_to_end_interrupts_a_command_and_changes_nothing_after_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_: argparse.Namespace) -> int:
        signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr("posetrack.cli.demo.run", run)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err == "posetrack: interrupted\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("words", [("track", "--help"), ("models", "list")])
def test_commands_do_without_docstrings(words: tuple[str, ...]) -> None:
    """``python -OO`` strips them; only the help that is made of them may be missing."""
    command = [sys.executable, "-OO", "-m", "posetrack", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_what_the_package_warns_of_is_a_line_without_a_place_in_the_code() -> None:
    import warnings

    from posetrack.cli import _warnings_as_lines

    before = warnings.formatwarning
    with _warnings_as_lines():
        line = warnings.formatwarning("a.json: left out: 3", UserWarning, "coco.py", 7)
        other = warnings.formatwarning("old", DeprecationWarning, "coco.py", 7)
    assert line == "posetrack: a.json: left out: 3\n"
    assert "coco.py:7" in other
    assert warnings.formatwarning is before
