"""Sets of settings by the name of what they are for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from posetrack.checks import no_such


class Preset(NamedTuple):
    """A named set of settings, for a purpose."""

    purpose: str
    settings: Mapping[str, Any]

    def as_options(self) -> str:
        """The same as words on a command line.

        Examples
        --------
        >>> Preset("quiet", {"min_hits": 1, "coasting": False}).as_options()
        '--min-hits 1 --no-coasting'
        """
        return " ".join(
            f"--{'no-' * (value is False)}{name.replace('_', '-')}"
            + ("" if isinstance(value, bool) else f" {value}")
            for name, value in self.settings.items()
        )


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "paper": Preset(
            "the tracker as the paper describes it",
            {
                "coasting": False,
                "leaving": False,
                "spread": 0.0,
                "recency": 1.0,
                "box_recency": 1.0,
                "box_memory": 0.0,
                "max_box_iou": 0.5,
                "min_hits": 1,
                "min_new_score": 0.0,
                "probation": 0.0,
            },
        ),
        "fast": Preset(
            "less time, and a little less of everything",
            {"detect_every": 3},
        ),
        "accurate": Preset(
            "more time for who is hidden for a moment, and for keypoints at the box's edge",
            {"memory": 20, "box_growth": 0.25},
        ),
        "crowd": Preset(
            "many people who hide each other",
            {"memory": 20, "box_growth": 0.25, "min_hits": 3},
        ),
        "sports": Preset(
            "fast movement, or few frames a second",
            {"box_growth": 0.3},
        ),
        "single": Preset(
            "one person who matters, whoever else comes by",
            {"join": 1.0, "select": "longest"},
        ),
        "bundled": Preset(
            "the two small networks inside the package, nothing to download",
            {"detector": "bundled", "estimator": "bundled"},
        ),
    }
)
"""By name; settings are called as those of `posetrack.track` and of its cleaning."""


def settings_of_presets(names: str | Sequence[str]) -> dict[str, Any]:
    """What one or several presets set, the later before the earlier.

    Raises
    ------
    ValueError
        If there is no such preset.

    Examples
    --------
    >>> settings_of_presets("sports")
    {'box_growth': 0.3}
    """
    found: dict[str, Any] = {}
    for name in [names] if isinstance(names, str) else names:
        if name not in PRESETS:
            raise ValueError(no_such("preset", name, PRESETS))
        found |= PRESETS[name].settings
    return found
