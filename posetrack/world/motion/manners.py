"""How a person goes: the swing of the arms, the posture, what the hands do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from posetrack.world.motion.poses import Angles
from posetrack.world.people.body import Body


@dataclass(frozen=True)
class Manner:
    """A gait's parameters.

    Parameters
    ----------
    swing
        What the swing of the arms is multiplied with.
    bend
        Degrees by which the elbows are bent more.
    lean, nod, turn
        Degrees: the trunk forward, the head down, the head to the left.
    held
        Degrees of joints that do not swing: an arm that holds something.

    Examples
    --------
    >>> Manner(swing=1.2).held
    {}
    """

    swing: float = 1.0
    bend: float = 0.0
    lean: float = 0.0
    nod: float = 0.0
    turn: float = 0.0
    held: Angles = field(default_factory=dict)


_HOLDS: Final[Mapping[str, Angles]] = {
    "nothing": {},
    "a telephone to the ear": {"{}_shoulder": (48.0, 22.0, -20.0), "{}_elbow": (138.0, 0.0, 0.0)},
    "a telephone to look at": {"{}_shoulder": (32.0, 6.0, -28.0), "{}_elbow": (92.0, 0.0, 0.0)},
    "hands in the pockets": {"shoulder": (-12.0, 16.0, 0.0), "elbow": (34.0, 0.0, -20.0)},
    "a box": {"shoulder": (28.0, 8.0, -12.0), "elbow": (82.0, 0.0, 0.0)},
    "a bag": {"{}_shoulder": (0.0, 9.0, 0.0), "{}_elbow": (6.0, 0.0, 0.0)},
}
"""What hands do, and the arm's angles; {} is the side of the hand."""


def random_manner(rng: np.random.Generator, *, busy: float = 0.3) -> Manner:
    """A random gait; ``busy`` is the chance that the hands hold something."""
    holds = [name for name in _HOLDS if name != "nothing"]
    hold = str(rng.choice(holds)) if rng.random() < busy else "nothing"
    side = str(rng.choice(["left", "right"]))
    looks_down = hold == "a telephone to look at"
    return Manner(
        swing=float(rng.uniform(0.6, 1.35)),
        bend=float(rng.normal(0, 7)),
        lean=float(rng.normal(1, 2)),
        nod=18.0 if looks_down else float(rng.normal(0, 4)),
        turn=0.0 if looks_down else float(rng.normal(0, 7)),
        held={joint.format(side): angles for joint, angles in _HOLDS[hold].items()},
    )


def manner_of(body: Body) -> Manner:
    """A body's own gait: always the same for the same body."""
    return random_manner(np.random.default_rng(int(body.height * 1e9)))
