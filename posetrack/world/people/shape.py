"""How tall and how heavy a person is, and the bones that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from posetrack.world.people.rig import JOINT, JOINTS, PARENTS, Rig

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Shape:
    """Proportions of a person.

    Segment lengths are near Drillis and Contini's fractions of the height, as given in Winter,
    *Biomechanics and Motor Control of Human Movement*.

    Parameters
    ----------
    height
        Metres from the soles to the top of the head, bare.
    girth
        1 for average; thickness of limbs and waist, 0.8 slim to 1.5 heavy.
    female
        0 to 1: narrower shoulders, wider hips, bust.
    legs
        Height of the hip joints as a fraction of the height.
    head
        Metres from the chin to the top.

    Examples
    --------
    >>> shape = Shape(1.75)
    >>> round(shape.hip, 2), round(shape.shoulder, 2)
    (0.91, 1.43)
    """

    height: float
    girth: float = 1.0
    female: float = 0.0
    legs: float = 0.52
    head: float = 0.228

    @property
    def size(self) -> float:
        """The height as a fraction of 1.75 m, for which the profiles of the skin are given."""
        return self.height / 1.75

    @property
    def ankle(self) -> float:
        """Metres of the ankle above the ground."""
        return 0.046 * self.height

    @property
    def hip(self) -> float:
        """Metres of the hip joints above the ground."""
        return self.legs * self.height

    @property
    def shoulder(self) -> float:
        """Metres of the shoulder joints above the ground."""
        return self.height - self.head - 0.055 * self.height

    @property
    def chin(self) -> float:
        """Metres of the chin above the ground."""
        return self.height - self.head

    @property
    def trunk(self) -> float:
        """Metres from hip to shoulder joints."""
        return self.shoulder - self.hip

    @property
    def half_shoulders(self) -> float:
        """Metres of a shoulder joint from the middle."""
        return self.height * (0.106 - 0.009 * self.female)

    @property
    def half_hips(self) -> float:
        """Metres of a hip joint from the middle."""
        return self.height * (0.050 + 0.003 * self.female)


def random_shape(rng: np.random.Generator, *, child: bool | None = None) -> Shape:
    """A shape drawn at random: men, women and (one in eight, or as given) children from about 4."""
    female = float(np.clip(rng.choice([0.1, 0.9]) + rng.normal(0, 0.15), 0, 1))
    girth = float(np.clip(rng.lognormal(0.02, 0.16), 0.78, 1.5))
    height = float(np.clip(rng.normal(1.77 - 0.13 * female, 0.075), 1.45, 2.02))
    legs = float(rng.normal(0.521, 0.009))
    young = bool(rng.random() < 0.125)
    child_height = float(rng.uniform(1.0, 1.45))
    if young if child is None else child:
        height, female, girth = child_height, 0.25 * female, 0.5 + 0.5 * girth
        legs -= 0.06 * (1.5 - height)
    head = (0.112 + 0.066 * height) * float(rng.normal(1.0, 0.02))
    return Shape(height, girth, female, legs, head)


def rig_of(shape: Shape) -> Rig:
    """The bones of a shape, standing straight with hanging arms.

    Examples
    --------
    >>> round(rig_of(Shape(1.8)).length("left_knee"), 3)
    0.427
    """
    height = shape.height
    places = {
        "pelvis": (0.0, 0.0, shape.hip),
        "spine": (-0.012, 0.0, shape.hip + 0.22 * shape.trunk),
        "chest": (-0.015, 0.0, shape.hip + 0.55 * shape.trunk),
        "neck": (-0.018, 0.0, shape.shoulder + 0.08 * shape.trunk),
        "head": (0.004, 0.0, shape.chin + 0.16 * shape.head),
    }
    foot = 0.152 * height
    knee = shape.ankle + 0.5 * (shape.hip - shape.ankle)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder, hip = sign * shape.half_shoulders, sign * shape.half_hips
        elbow = shape.shoulder - 0.170 * height
        places |= {
            f"{side}_clavicle": (0.0, sign * 0.02, shape.shoulder - 0.01 * height),
            f"{side}_shoulder": (-0.008, shoulder, shape.shoulder),
            f"{side}_elbow": (-0.008, shoulder, elbow),
            f"{side}_wrist": (-0.008, shoulder, elbow - 0.146 * height),
            f"{side}_hip": (0.0, hip, shape.hip),
            f"{side}_knee": (0.0, hip, knee),
            f"{side}_ankle": (0.0, hip, shape.ankle),
            f"{side}_toe": (0.43 * foot, hip, 0.014 * height),
        }
    absolute = {name: np.array(position) for name, position in places.items()}
    offsets = np.zeros((len(JOINTS), 3))
    for name in JOINTS[1:]:
        offsets[JOINT[name]] = absolute[name] - absolute[_parent_name(name)]
    return Rig(offsets)


def _parent_name(name: str) -> str:
    return JOINTS[PARENTS[JOINT[name]]]
