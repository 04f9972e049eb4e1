"""The command line: the only place that prints, and that turns names into objects."""

from __future__ import annotations

import argparse
import codecs
import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper

from posetrack import __version__
from posetrack.checks import reason_of
from posetrack.cli.options import Parser
from posetrack.runs.interruptions import interrupt_at_sigterm

COMMANDS: Mapping[str, str] = {
    "track": "track",
    "batch": "batch",
    "serve": "serve",
    "clean": "clean",
    "plot": "plot",
    "overlay": "overlay",
    "analyse": "analyse",
    "report": "report",
    "app": "app",
    "postures": "postures",
    "link": "link",
    "audit": "audit",
    "convert": "convert",
    "recover": "recover",
    "demo": "demo",
    "samples": "samples",
    "eval": "evaluate",
    "bench": "bench",
    "export": "export",
    "models": "models",
    "doctor": "doctor",
    "synth": "synth",
    "train": "train",
    "validate": "validate",
    "inspect": "inspect",
    "curves": "curves",
    "ablation": "ablation",
    "completion": "completion",
}
"""Commands, in the order in which the help lists them, and their modules in this folder."""


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """All commands and their options; or those of one, so that no other's module is loaded."""
    top = Parser(
        prog="posetrack",
        description="Multi-person pose tracking in video: every person's keypoints over time.",
    )
    top.add_argument("--version", action="version", version=f"posetrack {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = [command] if command is not None and command in COMMANDS else list(COMMANDS)
    for name in chosen:
        module = importlib.import_module(f"posetrack.cli.{COMMANDS[name]}")
        module.add_parser(commands)
    return top


USAGE_STATISTICS: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "WANDB_ERROR_REPORTING": "false",
}
"""Settings that keep libraries which a command loads from reporting to their makers."""


@contextmanager
def _no_usage_statistics() -> Iterator[None]:
    """Switch libraries' usage statistics off unless the user has set them; restore that then."""
    added = {name: value for name, value in USAGE_STATISTICS.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """What the package warns of is for people: a line without the place in the code."""
    before = warnings.formatwarning

    def format_warning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        line: str | None = None,
    ) -> str:
        if issubclass(category, UserWarning | RuntimeWarning):
            return f"posetrack: {message}\n"
        return before(message, category, filename, lineno, line)

    warnings.formatwarning = format_warning
    try:
        yield
    finally:
        warnings.formatwarning = before


def _escape_name(error: UnicodeError) -> tuple[str | bytes, int]:
    assert isinstance(error, UnicodeEncodeError)
    code = ord(error.object[error.start])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}", error.start + 1
    return codecs.backslashreplace_errors(error)


@contextmanager
def _names_of_any_bytes() -> Iterator[None]:
    r"""A file's name may hold bytes that are not text: they are shown as ``\xe9``.

    What reads the output may be strict. So is what the output's encoding has not, under LC_ALL=C.
    Afterwards it is as it was.
    """
    codecs.register_error("posetrack.names", _escape_name)
    streams = [one for one in (sys.stdout, sys.stderr) if isinstance(one, TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="posetrack.names")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            if not stream.closed:
                stream.reconfigure(errors=errors)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    words = sys.argv[1:] if argv is None else list(argv)
    with _names_of_any_bytes():
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        arguments = parser(words[0] if words else None).parse_args(words)
        with interrupt_at_sigterm(), _warnings_as_lines(), _no_usage_statistics():
            status: int = arguments.run(arguments)
    except KeyboardInterrupt as error:
        _say("interrupted", error)
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:
        _say(reason_of(error), error)
        return 1
    except MemoryError as error:
        _say(f"not enough memory: {error}" if str(error) else "not enough memory", error)
        return 1
    except (ValueError, RuntimeError, ImportError) as error:
        # What a user can mend comes as one of these, with a message that says how; anything else
        # is a fault of ours and keeps its traceback.
        _say(str(error), error)
        return 1
    return status


def _say(reason: str, error: BaseException) -> None:
    """A line, and what was noted with the error, such as where that is kept which is there."""
    notes = getattr(error, "__notes__", [])
    print("\n".join([f"posetrack: {reason}", *notes]), file=sys.stderr)
