"""The command line: the only place that prints, and that turns names into objects."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from posetrack import __version__
from posetrack.checks import did_you_mean


class _Parser(argparse.ArgumentParser):
    """Says which name comes near one that is not among the choices."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            hint = did_you_mean(str(value), map(str, action.choices))
            names = ", ".join(map(str, action.choices))
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}{hint} (of {names})")


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    from posetrack.cli import (
        ablation,
        analyse,
        audit,
        clean,
        convert,
        curves,
        demo,
        evaluate,
        export,
        inspect,
        link,
        models,
        overlay,
        plot,
        postures,
        synth,
        track,
        train,
        validate,
    )

    top = _Parser(
        prog="posetrack",
        description="Multi-person pose tracking in video: every person's keypoints over time.",
    )
    top.add_argument("--version", action="version", version=f"posetrack {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for module in (
        track,
        clean,
        plot,
        overlay,
        analyse,
        postures,
        link,
        audit,
        convert,
        demo,
        evaluate,
        export,
        models,
        synth,
        train,
        validate,
        inspect,
        curves,
        ablation,
    ):
        module.add_parser(commands)
    return top


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """Being told to end is like Ctrl-C: what there is is kept. Afterwards it is as it was."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    arguments = parser().parse_args(argv)
    try:
        with _interrupted_by_sigterm():
            status: int = arguments.run(arguments)
    except KeyboardInterrupt:
        print("posetrack: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        # What a user can mend comes as one of these, with a message that says how; anything else
        # is a fault of ours and keeps its traceback.
        print(f"posetrack: {error}", file=sys.stderr)
        return 1
    return status
