"""Plain words in the rooms that have them: verbs for functions, none of the words set aside.

What counts is said in ``benchmarks/house.py``, which lists the names with ``--words``.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

import posetrack

PACKAGE = Path(posetrack.__file__).parent
HOUSE = PACKAGE.parent / "benchmarks" / "house.py"

VERBS_ONLY = (
    "analysis", "audit", "checkpoints", "cleaning", "cli", "cluster", "detectors", "draw",
    "estimators", "evaluation", "export", "flows", "formats", "networks", "ops", "plots",
    "reports", "runs", "runtimes", "service", "skeletons", "testing", "training", "trajectories",
    "video", "weights", "world",
)  # fmt: skip
NO_WORDS_SET_ASIDE = (
    "analysis", "audit", "checkpoints", "cleaning", "cli", "cluster", "detectors", "draw",
    "estimators", "evaluation", "export", "flows", "formats", "networks", "plots", "reports",
    "runs", "runtimes", "service", "skeletons", "testing", "training", "trajectories",
    "weights", "world",
)  # fmt: skip

GIVEN_NAMES = {
    "analysis.rule_conditions:hands_raised",  # what people write in files of rules
    "service.server:_patient_protocol.Patient.connection_lost",  # asyncio's
    "service.server:_patient_protocol.Patient.connection_made",
    "service.server:_patient_protocol.Patient.data_received",
    "service.server:connection_made",
}
"""Names that are not ours to choose."""

pytestmark = pytest.mark.skipif(
    not HOUSE.is_file(), reason="the measures stand beside the package in a checkout only"
)


@pytest.fixture(scope="module")
def house() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house", HOUSE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house"] = module  # its dataclasses look themselves up
    spec.loader.exec_module(module)
    del sys.modules["house"]
    return module


@pytest.mark.parametrize("room", VERBS_ONLY)
def test_functions_are_not_named_by_participles(house: ModuleType, room: str) -> None:
    found = house.by_participle(room_of(house, room))
    assert set(found) - GIVEN_NAMES == set(), "name it by what it does"


@pytest.mark.parametrize("room", NO_WORDS_SET_ASIDE)
def test_words_set_aside_name_nothing(house: ModuleType, room: str) -> None:
    found = house.with_words(room_of(house, room), (*house.ASIDE, *house.EMPTY))
    ours = {word: set(names) - GIVEN_NAMES for word, names in found.items()}
    assert {word: names for word, names in ours.items() if names} == {}


def test_a_participle_and_a_word_set_aside_are_found(house: ModuleType, tmp_path: Path) -> None:
    source = "def joined(way: int) -> int: ...\n\ndef seen(a: int) -> bool: ...\n"
    (tmp_path / "room.py").write_text(source)
    modules = house.read_package(tmp_path)
    assert house.by_participle(modules) == ["room:joined"]
    assert house.with_words(modules, ("way", "told")) == {"way": ["room:way"], "told": []}


def room_of(house: ModuleType, room: str) -> dict[str, object]:
    """Modules of one room by name."""
    modules = house.read_package(PACKAGE / room)
    return {
        name: house.Module(f"{room}.{name}".strip("."), module.path, module.text, module.tree)
        for name, module in modules.items()
    }
