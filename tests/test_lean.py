"""What is installed without PyTorch is all that is needed, and nothing that is not."""

from __future__ import annotations

import configparser
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LEAN = ROOT / "lean.txt"
pytestmark = pytest.mark.skipif(not LEAN.is_file(), reason="not a checkout")
HEAVY = {"torch", "torchvision"}
HEADLESS = {"opencv-contrib-python": "opencv-contrib-python-headless"}
ONLY_FOR_OLDER = {"six"}  # python-dateutil needed it before its version 4


def name(requirement: str) -> str:
    """Without bounds, extras and conditions."""
    for end, letter in enumerate(requirement):
        if not (letter.isalnum() or letter in "-_."):
            return requirement[:end].lower().replace("_", "-")
    return requirement.lower().replace("_", "-")


def listed() -> dict[str, str]:
    lines = [line.strip() for line in LEAN.read_text(encoding="utf-8").splitlines()]
    return {name(line): line for line in lines if line and not line.startswith("#")}


def declared() -> dict[str, str]:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = config["options"]["install_requires"].split("\n")
    return {name(line): line for line in lines if line.strip()}


def needed(package: str) -> set[str]:
    """What a package needs in turn here, extras aside."""
    from packaging.requirements import Requirement

    try:
        found = [Requirement(text) for text in requires(package) or ()]
    except PackageNotFoundError:
        return set()
    return {
        name(str(requirement.name))
        for requirement in found
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    }


@pytest.fixture
def those_listed_are_here() -> None:
    """What the versions here need is what those in the list need only if they are such versions."""
    pytest.importorskip("packaging")
    from packaging.requirements import Requirement

    installed = {there: package for package, there in HEADLESS.items()}
    for package, line in listed().items():
        try:
            here = version(installed.get(package, package))
        except PackageNotFoundError:
            continue
        if not Requirement(line).specifier.contains(here, prereleases=True):
            pytest.skip(f"{package} {here} is installed, and the list has {line}")


def test_it_lists_all_that_the_package_needs_but_pytorch() -> None:
    wanted = {HEADLESS.get(package, package) for package in declared().keys() - HEAVY}
    assert wanted - listed().keys() == set()


@pytest.mark.usefixtures("those_listed_are_here")
def test_it_lists_what_those_need_in_turn() -> None:
    installed = {there: package for package, there in HEADLESS.items()}
    wanted = {part for package in listed() for part in needed(installed.get(package, package))}
    assert wanted - {"torch"} - listed().keys() == set()


@pytest.mark.usefixtures("those_listed_are_here")
def test_it_lists_nothing_else() -> None:
    wanted = {HEADLESS.get(package, package) for package in declared().keys() - HEAVY}
    wanted |= {"onnxruntime", *ONLY_FOR_OLDER}
    while more := {part for package in wanted for part in needed(package)} - wanted:
        wanted |= more
    wanted -= set(HEADLESS)
    assert listed().keys() - wanted == set()


def test_the_lowest_versions_are_those_of_the_package() -> None:
    lowest = {p: line.partition(",")[0].partition(">=")[2] for p, line in listed().items()}
    own = {HEADLESS.get(p, p): line.partition(">=")[2] for p, line in declared().items()}
    kept_together = {"numba"}  # its bytecode reader is built for one version of llvmlite
    assert {
        package: lowest[package]
        for package in own.keys() & lowest.keys() - kept_together
        if lowest[package] != own[package]
    } == {}
