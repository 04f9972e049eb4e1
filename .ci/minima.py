#!/usr/bin/env python3
"""Print the lowest versions that setup.cfg declares, one `name==version` a line, for pip's -c."""

from __future__ import annotations

import configparser
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


if __name__ == "__main__":
    setup = Path(sys.argv[1] if len(sys.argv) > 1 else "setup.cfg")
    sys.stdout.write("\n".join(minima(setup.read_text(encoding="utf-8"))) + "\n")
