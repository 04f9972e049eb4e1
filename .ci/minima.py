#!/usr/bin/env python3
"""Print the lowest versions that setup.cfg declares, one `name==version` a line, for pip.

    python3 .ci/minima.py [--installed]

With --installed: the versions of the same packages in the environment that runs this.
"""

from __future__ import annotations

import configparser
import importlib.metadata
import platform
import re
import sys
from pathlib import Path


def minima(text: str) -> list[str]:
    """Every requirement `name>=version` of the package and all its extras, as `name==version`."""
    config = configparser.ConfigParser()
    config.read_string(text)
    lines = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    found: dict[str, str] = {}
    for line in "\n".join(lines).split("\n"):
        requirement = line.strip()
        if not requirement or requirement.startswith("posetrack["):
            continue
        match = re.fullmatch(r"([\w.-]+)>=([\w.]+)", requirement)
        if match is None:
            raise SystemExit(f"setup.cfg: expected name>=version, got {requirement}")
        name, version = match.groups()
        if found.setdefault(name, version) != version:
            raise SystemExit(f"setup.cfg: {name} has two minima, {found[name]} and {version}")
    return [f"{name}=={version}" for name, version in found.items()]


def installed(names: list[str]) -> list[str]:
    """Python's version, then that of each of these packages which is there."""
    found = [f"Python {platform.python_version()}"]
    for name in names:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    lines = minima(Path("setup.cfg").read_text(encoding="utf-8"))
    if sys.argv[1:] == ["--installed"]:
        sys.stdout.write(", ".join(installed([line.partition("==")[0] for line in lines])) + "\n")
    else:
        sys.stdout.write("\n".join(lines) + "\n")
