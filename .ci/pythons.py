#!/usr/bin/env python3
"""Print the path of the lowest or newest Python found here that setup.cfg says is supported.

    python3 .ci/pythons.py lowest|newest

Those on PATH and in pyenv are looked at; each must be a release that can make environments. Of
several of one minor version it is the latest.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

_ASK = (
    "import sys, venv, ensurepip; v = sys.version_info; "
    "print(v.major, v.minor, v.micro, v.releaselevel)"
)


def declared(text: str) -> set[tuple[int, int]]:
    """The versions of Python that the classifiers name."""
    config = configparser.ConfigParser()
    config.read_string(text)
    classifiers = config["metadata"]["classifiers"]
    found = re.findall(
        r"Programming Language :: Python :: (\d+)\.(\d+)$", classifiers, re.MULTILINE
    )
    return {(int(major), int(minor)) for major, minor in found}


def candidates(versions: set[tuple[int, int]]) -> list[Path]:
    """Every file that is called like one of these versions."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders += sorted(pyenv.glob("versions/*/bin"))
    names = [f"python{major}.{minor}" for major, minor in versions]
    return [folder / name for folder in folders for name in names if (folder / name).is_file()]


def version_of(python: Path) -> tuple[int, int, int] | None:
    """Its version; None if it does not run (pyenv's stand-ins), is no release or lacks venv."""
    try:
        asked = subprocess.run(
            [python, "-c", _ASK], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    major, minor, micro, level = asked.stdout.split()
    return (int(major), int(minor), int(micro)) if level == "final" else None


def main(which: str) -> int:
    """Print the path, or say on stderr that there is none."""
    versions = declared(Path("setup.cfg").read_text(encoding="utf-8"))
    found = {p: v for p in candidates(versions) if (v := version_of(p)) and v[:2] in versions}
    if not found:
        sys.stderr.write(f"no Python of {sorted(versions)} found\n")
        return 1
    minor = (min if which == "lowest" else max)(version[:2] for version in found.values())
    same = [path for path in found if found[path][:2] == minor]
    sys.stdout.write(f"{max(same, key=lambda path: found[path])}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
