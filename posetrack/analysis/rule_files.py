"""Rules from a small TOML file: data only, each key checked, no code run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from posetrack.analysis import rule_conditions
from posetrack.analysis.conditions import AllOf, AnyOf, Condition, Fallen
from posetrack.analysis.rules import Rule
from posetrack.files import read_toml

_MAX_DEPTH = 8
_OF_RULE = ("name", "min_duration", "max_gap")


def _number(value: Any) -> str:
    """What is wrong with a value, or nothing."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return "" if good else "a number"


def _names(value: Any) -> str:
    good = isinstance(value, list) and value and all(isinstance(name, str) for name in value)
    return "" if good else "a list of names of keypoints or groups"


def _points(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, list) and len(point) == 2 and not any(map(_number, point))
        for point in value
    )


def _zone(value: Any) -> str:
    return "" if _points(value) and len(value) >= 3 else "a list of at least 3 points [x, y]"


def _line(value: Any) -> str:
    return "" if _points(value) and len(value) == 2 else "two points [[x, y], [x, y]]"


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value else "a text"


def _one_of(*choices: str) -> Callable[[Any], str]:
    return lambda value: "" if value in choices else f"one of {', '.join(choices)}"


_WHICH = _one_of("any", "all")
_Check = Callable[[Any], str]
_KINDS: Final[Mapping[str, tuple[Callable[..., Condition], tuple[str, ...], dict[str, _Check]]]] = (
    MappingProxyType(
        {
            "inside": (
                rule_conditions.inside,
                ("keypoints", "zone"),
                {"keypoints": _names, "zone": _zone, "which": _WHICH, "depth": _number,
                 "leave": _number},
            ),
            "beyond": (
                rule_conditions.beyond,
                ("keypoints", "line", "side"),
                {"keypoints": _names, "line": _line, "which": _WHICH, "depth": _number,
                 "side": _one_of("left", "right", "above", "below"), "leave": _number},
            ),
            "near": (
                rule_conditions.near,
                ("keypoints", "of_other"),
                {"keypoints": _names, "of_other": _names, "closer_than": _number,
                 "leave": _number},
            ),
            "lying": (rule_conditions.lying, (), {"below": _number, "leave": _number}),
            "fallen": (
                Fallen,
                (),
                {"within": _number, "below": _number, "leave": _number, "upright": _number},
            ),
            "hands_raised": (
                rule_conditions.hands_raised,
                (),
                {"over": _one_of("head", "shoulders"), "which": _WHICH, "depth": _number,
                 "leave": _number},
            ),
            "angle": (
                rule_conditions.angle_is,
                ("name",),
                {"name": _text, "above": _number, "below": _number, "leave": _number},
            ),
            "faster": (
                rule_conditions.faster,
                ("keypoints", "than"),
                {"keypoints": _names, "than": _number, "leave": _number, "window": _number},
            ),
        }
    )
)  # fmt: skip
"""By the value of ``when``: what makes the condition, keys it needs, and what keys may be."""


def read_rules(path: str | Path) -> list[Rule]:
    """Read rules from TOML.

    Parameters
    ----------
    path
        A file with a table ``[[rule]]`` for each: ``name``; ``min_duration`` and ``max_gap`` in
        seconds, as wanted; and a condition. That is ``when`` (inside, beyond, near, lying,
        fallen, hands_raised, angle, faster) with the arguments of the function of that name in
        `posetrack.analysis.rule_conditions` as keys; ``angle`` instead of ``name`` says which
        angle. Or it is ``all`` or ``any``, a list of conditions, which may be nested.

    Raises
    ------
    ValueError
        If the file is not TOML, or a key is missing, unknown, or not what it should be; the
        message names the file, the rule and the key.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rules.toml"
    >>> _ = path.write_text('''
    ... [[rule]]
    ... name = "feet on the seats"
    ... when = "inside"
    ... keypoints = ["feet"]
    ... zone = [[0, 200], [320, 200], [320, 240], [0, 240]]
    ... min_duration = 1.0
    ... ''')
    >>> [(rule.name, rule.min_duration) for rule in read_rules(path)]
    [('feet on the seats', 1.0)]
    """
    path = Path(path)
    table = read_toml(path)
    rules = table.get("rule")
    if set(table) - {"rule"} or not isinstance(rules, list) or not rules:
        raise ValueError(f"{path}: expected tables [[rule]] and nothing else, got {sorted(table)}")
    parsed = [_rule(rule, f"{path}: rule {number}") for number, rule in enumerate(rules, 1)]
    twice = {rule.name for rule in parsed if sum(rule.name == other.name for other in parsed) > 1}
    if twice:
        raise ValueError(f"{path}: rules must have different names; twice: {sorted(twice)}")
    return parsed


def _rule(table: Any, where: str) -> Rule:
    if not isinstance(table, dict):
        raise ValueError(f"{where}: expected a table [[rule]], got {table!r}")
    name = table.get("name")
    if _text(name):
        raise ValueError(f"{where}: 'name' must be a text, got {name!r}")
    where = f"{where} ({name!r})"
    settings = {key: table[key] for key in ("min_duration", "max_gap") if key in table}
    for key, value in settings.items():
        if _number(value) or value < 0:
            raise ValueError(f"{where}: {key!r} must be seconds, at least 0, got {value!r}")
    rest = {key: value for key, value in table.items() if key not in _OF_RULE}
    return Rule(str(name), _condition(rest, where, _MAX_DEPTH), **settings)


def _condition(table: Any, where: str, depth: int) -> Condition:
    """A condition from its table, or of several."""
    if not isinstance(table, dict):
        raise ValueError(f"{where}: expected a condition such as {{when = ...}}, got {table!r}")
    heads = [key for key in ("when", "all", "any") if key in table]
    if len(heads) != 1 or not depth:
        raise ValueError(
            f"{where}: a condition has one of 'when', 'all' and 'any', not nested deeper than "
            f"{_MAX_DEPTH}; got {sorted(table)}"
        )
    if heads[0] == "when":
        return _leaf(table, where)
    parts = table[heads[0]]
    strangers = sorted(set(table) - set(heads))
    if strangers or not isinstance(parts, list) or not parts:
        raise ValueError(
            f"{where}: {heads[0]!r} must be a list of conditions and stand alone, got {parts!r}"
            + (f" beside {strangers}" if strangers else "")
        )
    parsed = [
        _condition(part, f"{where}, {heads[0]} {number}", depth - 1)
        for number, part in enumerate(parts, 1)
    ]
    return AllOf(parsed) if heads[0] == "all" else AnyOf(parsed)


def _leaf(table: Mapping[str, Any], where: str) -> Condition:
    kind = table["when"]
    if not isinstance(kind, str) or kind not in _KINDS:
        raise ValueError(f"{where}: 'when' must be one of {', '.join(_KINDS)}, got {kind!r}")
    make, needed, checks = _KINDS[kind]
    # A rule has a name of its own, so which angle it is goes by "angle" in the file.
    keys = {("angle" if key == "name" else key): key for key in checks}
    for key, value in table.items():
        if key == "when":
            continue
        if key not in keys:
            raise ValueError(f"{where}: unknown key {key!r}; {kind} takes {', '.join(keys)}")
        wrong = checks[keys[key]](value)
        if wrong:
            raise ValueError(f"{where}: {key!r} must be {wrong}, got {value!r}")
    missing = [key for key, inner in keys.items() if inner in needed and key not in table]
    if missing:
        raise ValueError(f"{where}: {kind} needs {', '.join(map(repr, missing))}")
    settings = {keys[key]: value for key, value in table.items() if key != "when"}
    try:
        return make(**settings)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
