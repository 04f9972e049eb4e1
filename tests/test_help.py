"""Every command explains itself, and shows the defaults that the library has."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from posetrack import Tracker
from posetrack.cli import COMMANDS, main, parser
from posetrack.cli.completion import bash_script, fish_script, options_of, zsh_script
from posetrack.cli.options import Parser, Preset, add_settings, default_of, settings_from
from posetrack.runs.presets import PRESETS


def commands(top: Parser, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Parser]]:
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
        main([*words, "--help-all"])
    assert ended.value.code == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "default: None" not in shown.out
    for action in EVERY[words]._actions:
        if isinstance(action, argparse._SubParsersAction):
            explained = {choice.dest for choice in action._choices_actions if choice.help}
            assert explained == set(action.choices)
            continue
        if action.help == argparse.SUPPRESS:
            assert action.option_strings == ["--help-all"]
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
    text = " ".join(EVERY["track",].format_help(everything=True).split())
    option = "--" + name.replace("_", "-")
    if default is None:  # it is the detector's to say
        usual = getattr(Tracker(), name)
        after = text[text.index("tracker (see") :].partition(f" {option} ")[2]
        assert f"(else as the detector asks, or {usual})" in after.partition(" --")[0]
        return
    shown = re.search(rf" {option}\b.*?\(default: ([^)]*)\)", text[text.index("tracker (see") :])
    assert shown is not None
    assert shown[1] == str(default)


OF_THE_COMMAND_LINE = {
    "out": "folders and files are named by people; functions have no default for them",
    "to": "tables of `link`, its own choice",
    "formats": "the library's tuple with commas, `USUAL_FORMATS`; of `clean` its own choice",
    "format": "how the tables of `eval` are printed",
    "cores": "of a worker of `batch`",
    "top": "how many rows of `audit` are printed",
    "background": "a word for the library's colours",
    "host": "where `app` listens",
    "port": "where `app` listens",
    "max_upload": "of `app`, whose page has no signature",
    "max_seconds": "of `app`, whose page has no signature",
    "frames": "the scene of `demo`",
    "people": "the scene of `demo`",
    "seed": "the scenes of `demo`, `samples` and `synth`, the crops of `inspect`",
    "runtimes": "a list of `bench`",
    "precisions": "a list of `bench`",
    "check": "whether `export` compares at all",
    "crops": "how many of a folder's `export` compares",
    "count": "how many pictures `inspect` draws",
    "arch": "a network's name; functions take networks",
    "norm": "a word for a module of HRNet",
    "activation": "a word for a module of HRNet",
    "freeze": "layers of a trunk; 0 does not call the function",
    "recipe": "a name; functions take recipes",
}
"""Options whose default is no function's, each with the reason."""


def settings_of_commands() -> Iterator[tuple[str, argparse.Action]]:
    """All options with a default, each by its command and name; a switch that is off has none."""
    for words, made in EVERY.items():
        for action in made._actions:
            default = action.default
            has_none = default is None or default is False or default in (argparse.SUPPRESS, [])
            if action.option_strings and not has_none:
                yield f"{' '.join(words)} {action.dest}", action


def test_every_default_is_that_of_a_function_or_there_is_a_reason() -> None:
    pytest.importorskip("torch")
    typed, wrong, needless = [], [], set(OF_THE_COMMAND_LINE)
    for name, action in settings_of_commands():
        if not hasattr(action, "setting"):
            needless -= {action.dest}
            if action.dest not in OF_THE_COMMAND_LINE:
                typed.append(name)
            continue
        function, parameter = action.setting
        if isinstance(function, str):
            module, _, title = function.partition(":")
            function = getattr(importlib.import_module(f"posetrack.{module}"), title)
            default = inspect.signature(function).parameters[parameter].default
            if (default, type(default)) != (action.default, type(action.default)):
                wrong.append(name)
    assert (typed, wrong, needless) == ([], [], set())


def test_a_default_of_a_class_and_of_nothing() -> None:
    assert default_of("training.augmentation:Augmentation", "rotation") == 40.0
    assert default_of("video.writer:VideoWriter", "quality") == 23.0
    with pytest.raises(KeyError, match="timeuot"):
        default_of("weights.download:download", "timeuot")


def test_similarity_and_matching_default_to_what_the_tracker_has() -> None:
    from posetrack.ops.matching import match_greedily
    from posetrack.tracking.association import pose_similarity

    parameters = inspect.signature(Tracker).parameters
    arguments = parser().parse_args(["track", "video.mp4"])
    assert parameters["similarity"].default is pose_similarity
    assert parameters["match"].default is match_greedily
    assert (arguments.similarity, arguments.match) == ("oks", "greedy")
    linked = parser().parse_args(["link", "poses.json", "--similarity", "iou"])
    assert (linked.similarity, linked.match) == ("iou", "greedy")


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


def test_short_help_shows_the_options_that_matter_and_names_where_the_others_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = {}
    for option in ("--help", "--help-all"):
        with pytest.raises(SystemExit):
            main(["track", option])
        text = capsys.readouterr().out
        shown[option] = set(re.findall(r"^  (?:-\w[^,]*, )?(--[a-z-]+)", text, re.MULTILINE))
    assert shown["--help"] < shown["--help-all"]
    assert len(shown["--help"]) <= 15
    assert {"--detector", "--estimator", "--out", "--help-all"} <= shown["--help"]
    assert {"--memory", "--smooth", "--stride", "--boxes"} <= shown["--help-all"] - shown["--help"]


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["track", "a.mp4", "--memoy", "3"], "--memory"),
        (["track", "a.mp4", "--estimater=x.onnx"], "--estimator"),
        (["track", "a.mp4", "--flow", "farnebak"], "farneback"),
        (["track", "a.mp4", "--preset", "papr"], "paper"),
        (["models", "list", "--jsn"], "--json"),
        (["trak"], "track"),
    ],
    ids=" ".join,
)
def test_what_is_misspelt_is_refused_in_a_line_that_names_what_comes_near(
    words: list[str], near: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "did you mean" in line
    assert f"'{near}'" in line.partition("did you mean")[2]


class Cook:
    """Cooks.

    Parameters
    ----------
    minutes
        How long it boils. More is softer.
    salt
        Add salt.
    """

    def __init__(self, *, minutes: float = 8.0, salt: bool = True) -> None:
        self.minutes, self.salt = minutes, salt


def test_flag_help_and_keyword_of_a_setting_follow_from_signature_and_docstring() -> None:
    made = Parser(prog="cook")
    add_settings(made, Cook)
    text = " ".join(made.format_help().split())
    assert "--minutes X How long it boils (default: 8.0)" in text
    assert "--salt, --no-salt Add salt (default: True)" in text
    given = made.parse_args(["--minutes", "3", "--no-salt"])
    assert vars(Cook(**settings_from(given, Cook))) == {"minutes": 3.0, "salt": False}


def test_a_setting_of_the_tracker_is_added_in_the_trackers_file_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from posetrack.cli.track import settings_of, tracker_settings
    from posetrack.tracking import tracker

    class Eager(Tracker):
        # Python 3.13 takes the indentation away itself.
        __doc__ = inspect.cleandoc(Tracker.__doc__ or "").replace(
            "\nExamples\n",
            "\neagerness\n    How soon it answers. 1 is now.\n\nExamples\n",
        )

        def __init__(self, *objects: object, eagerness: float = 0.5, **settings: object) -> None:
            del objects, eagerness, settings

    signature = inspect.signature(Tracker)
    more = inspect.signature(Eager).parameters["eagerness"]
    parameters = [*signature.parameters.values(), more]
    monkeypatch.setattr(Eager, "__signature__", signature.replace(parameters=parameters), False)
    monkeypatch.setattr(tracker, "Tracker", Eager)
    made = parser("track")
    (track,) = (one for words, one in commands(made) if words == ("track",))
    help_text = " ".join(track.format_help(everything=True).split())
    assert "--eagerness X How soon it answers (default: 0.5)" in help_text
    arguments = made.parse_args(["track", "v.mp4", "--eagerness", "0.75"])
    assert tracker_settings(arguments)["eagerness"] == 0.75
    assert settings_of(arguments)["eagerness"] == 0.75  # goes into the provenance


def test_a_preset_sets_what_its_help_says_and_other_options_overrule_it() -> None:
    made = Parser(prog="cook")
    add_settings(made, Cook)
    made.add_presets({"soft": Preset("for children", {"minutes": 12.0, "salt": False})})
    assert "soft, for children: --minutes 12.0 --no-salt" in " ".join(made.format_help().split())
    assert vars(made.parse_args([])) == {"minutes": 8.0, "salt": True}
    soft = made.parse_args(["--preset", "soft"])
    assert vars(soft) == {"minutes": 12.0, "salt": False, "preset": ["soft"]}
    assert made.parse_args(["--preset=soft", "--minutes", "11"]).minutes == 11


@pytest.mark.parametrize("name", PRESETS)
def test_presets_of_track_set_options_that_it_has(name: str) -> None:
    preset = PRESETS[name]
    by_preset = vars(parser().parse_args(["track", "v.mp4", "--preset", name]))
    by_hand = vars(parser().parse_args(["track", "v.mp4", *preset.as_options().split()]))
    assert by_preset.pop("preset") == [name]
    assert by_preset == by_hand
    assert by_hand != vars(parser().parse_args(["track", "v.mp4"]))


def test_no_help_tells_a_default_twice_or_tells_that_there_is_none() -> None:
    for words, made in EVERY.items():
        text = " ".join(made.format_help(everything=True).split())
        assert not re.search(r"\(default: [^)]*\) \(default:|\(default: None\)", text), words


def test_every_preset_is_on_the_page_of_its_measures() -> None:
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "RESULTS" / "presets.md"
    if not path.is_file():
        pytest.skip("not a checkout")
    rows = {line.split("|")[2].strip() for line in path.read_text().splitlines() if "|" in line}
    assert set(PRESETS) - {"paper", "bundled"} <= rows


@cache
def completion() -> str:
    """The script for bash, made once."""
    return bash_script(dict(options_of(parser())))


COMPLETING = """
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _posetrack; echo "${COMPREPLY[@]}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tra"], "track train"),
        (["track", "a.mp4", "--detector-"], "--detector-size"),
        (["track", "a.mp4", "--estimator", "rtmo"], "rtmo_s rtmo_m rtmo_l"),
        (["track", "a.mp4", "--preset", "s"], "sports single"),
        (["models", "l"], "list"),
        (["models", "list", "--js"], "--json"),
        (["completion", "z"], "zsh"),
    ],
    ids=str,
)
def test_bash_completes_commands_options_and_names(words: list[str], expected: str) -> None:
    done = subprocess.run(
        ["bash", "-c", completion() + COMPLETING, "bash", "posetrack", *words],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert (sorted(done.stdout.split()), done.stderr) == (sorted(expected.split()), "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_file_with_spaces_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "my match.mp4").touch()
    done = subprocess.run(
        ["bash", "-c", f'{completion()}{COMPLETING}echo "${{#COMPREPLY[@]}}"', "bash",
         "posetrack", "track", "my"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["my match.mp4", "1"]


@pytest.mark.skipif(shutil.which("fish") is None, reason="needs fish")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("posetrack trac", {"track"}),
        ("posetrack track a.mp4 --preset cr", {"crowd"}),
        ("posetrack models ", {"check", "convert", "download", "list", "path"}),
        ("posetrack models list --js", {"--json"}),
    ],
)
def test_fish_completes_commands_options_and_names(
    tmp_path: Path, line: str, expected: set[str]
) -> None:
    script = tmp_path / "posetrack.fish"
    script.write_text(fish_script(dict(options_of(parser()))))
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert {one.partition("\t")[0] for one in done.stdout.splitlines()} == expected


def test_zsh_and_fish_get_every_command_and_network() -> None:
    options = dict(options_of(parser()))
    assert bash_script(options) in zsh_script(options)
    lines = fish_script(options).splitlines()
    assert all(line.startswith("complete -c posetrack -n ") for line in lines)
    assert {line.split()[-1] for line in lines if "__fish_use_subcommand" in line} == set(COMMANDS)
    (estimator,) = [line for line in lines if "from track" in line and "-l estimator " in line]
    assert "rtmpose_m" in estimator
