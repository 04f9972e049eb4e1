"""What people wear: skin, hair and clothes drawn at random."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""

SKINS: Final = (
    (186, 208, 240),
    (160, 188, 228),
    (135, 170, 215),
    (110, 148, 198),
    (85, 122, 172),
    (62, 94, 142),
    (46, 68, 106),
    (36, 50, 78),
)
"""From the lightest to the darkest."""

HAIRS: Final = (
    (26, 24, 24),
    (30, 34, 44),
    (36, 50, 76),
    (48, 76, 116),
    (90, 140, 180),
    (140, 190, 215),
    (40, 66, 140),
    (150, 150, 152),
    (215, 215, 215),
)
"""Black, browns, blonds, red, greys."""


@dataclass(frozen=True, eq=False)
class Cloth:
    """A pattern.

    Parameters
    ----------
    kind
        "plain", "across" (stripes around the body), "down" (stripes along it), "checks", "dots"
        or "noise".
    first, second
        Colours.
    period
        Metres from one stripe, check or dot to the next.
    share
        How much of a period the second colour has, 0 to 1.
    noise
        (64, 64) in [0, 1], for "noise"; it repeats every 8 periods.
    """

    kind: str
    first: Colour
    second: Colour
    period: float
    share: float
    noise: Float64Array

    def colours(self, around: Float64Array, along: Float64Array) -> Float64Array:
        """(..., 3) colours at places (...) on the cloth in metres."""
        shape = np.broadcast_shapes(around.shape, along.shape)
        if self.kind == "plain":
            return np.broadcast_to(np.array(self.first), (*shape, 3))
        a, b = around / self.period, along / self.period
        across, down = b % 1 < self.share, a % 1 < self.share
        if self.kind == "across":
            amount = across.astype(float)
        elif self.kind == "down":
            amount = down.astype(float)
        elif self.kind == "checks":
            amount = 0.5 * across + 0.5 * down
        elif self.kind == "dots":
            apart = (a % 1 - 0.5) ** 2 + (b % 1 - 0.5) ** 2
            amount = (apart < (0.25 + 0.2 * self.share) ** 2).astype(float)
        else:
            amount = self.noise[(b * 8).astype(int) % 64, (a * 8).astype(int) % 64]
        return np.asarray(
            np.array(self.first) + amount[..., None] * (np.array(self.second) - self.first)
        )


@dataclass(frozen=True, eq=False)
class Clothes:
    """What a person wears.

    Parameters
    ----------
    top, bottom, shoes
        Their cloth. A bare chest has the top None.
    sleeves
        How far down the arm, 0 (none) to 1 (wrist); 0.54 is the elbow.
    legs
        How far down the leg trousers or shorts go, 0 hip to 1 ankle; 0.5 is the knee.
    skirt
        How far down the leg a skirt goes, 0 for none.
    hem
        Where the top ends, in trunk lengths above the hips; negative below them.
    ease
        Metres of room between body and cloth.
    logo
        Whether there is a picture on the chest.
    coat
        Whether the skirt is the lower half of a coat, of the top's cloth.
    inner
        What shows in front between the halves of an open jacket, else None.
    """

    top: Cloth | None
    bottom: Cloth
    shoes: Cloth
    sleeves: float
    legs: float
    skirt: float
    hem: float
    ease: float
    logo: bool
    coat: bool = False
    inner: Cloth | None = None


@dataclass(frozen=True, eq=False)
class Looks:
    """A person's skin, hair and clothes.

    Parameters
    ----------
    skin, hair
        Colours.
    hair_kind
        "none", "short", "full", "long" or "bun".
    beard
        0 none to 1 full.
    hat_kind
        "none", "cap", "brim" or "beanie".
    hat
        Its colour.
    clothes
        What the person wears.
    """

    skin: Colour
    hair: Colour
    hair_kind: str
    beard: float
    hat_kind: str
    hat: Colour
    clothes: Clothes


def random_clothes(rng: np.random.Generator, *, female: float = 0.5) -> Clothes:
    """Clothes drawn at random; skirts for the more female only, coats for all.

    Examples
    --------
    >>> worn = random_clothes(np.random.default_rng(3))
    >>> worn.skirt == 0 or worn.legs == 0 or worn.coat
    True
    """
    top, bottom, shoes = (_random_cloth(rng, patterned) for patterned in (0.5, 0.15, 0.1))
    sleeves = float(rng.choice([0.0, 0.3, 0.97], p=[0.1, 0.45, 0.45]))
    sleeves += float(rng.uniform(-0.06, 0.06)) if 0 < sleeves < 0.9 else 0.0
    legs = float(rng.choice([0.97, 0.4, 0.22], p=[0.7, 0.25, 0.05]))
    legs += float(rng.uniform(-0.08, 0.08)) if legs < 0.9 else 0.0
    skirt = float(rng.uniform(0.25, 0.62))
    wears_skirt = bool(rng.random() < 0.4 * (female > 0.5))
    dress = wears_skirt and bool(rng.random() < 0.5)
    bare = bool(rng.random() < 0.04) and female < 0.5
    coat = not wears_skirt and not bare and bool(rng.random() < 0.08)
    inner = _random_cloth(rng, 0.3)
    opened = not bare and not dress and bool(rng.random() < 0.15)
    return Clothes(
        top=None if bare else top,
        bottom=top if dress else bottom,
        shoes=shoes,
        sleeves=0.0 if bare else 0.97 if coat or opened else sleeves,
        legs=0.0 if wears_skirt else 0.97 if coat else legs,
        skirt=skirt if wears_skirt or coat else 0.0,
        coat=coat,
        inner=inner if opened else None,
        hem=float(rng.choice([rng.uniform(-0.14, -0.02), 0.16])),
        ease=float(rng.uniform(0.003, 0.016)),
        logo=not opened and bool(rng.random() < 0.3),
    )


def random_looks(
    rng: np.random.Generator, *, female: float = 0.5, clothes: Clothes | None = None
) -> Looks:
    """Skin, hair and, unless given, clothes drawn at random."""
    tone = rng.uniform(0, len(SKINS) - 1)
    skin = [np.interp(tone, np.arange(len(SKINS)), channel) for channel in np.transpose(SKINS)]
    dark = tone > 3.5
    hair = HAIRS[int(rng.integers(0, 3 if dark else len(HAIRS)))]
    chances = [0.02, 0.13, 0.2, 0.45, 0.2] if female > 0.5 else [0.14, 0.55, 0.2, 0.08, 0.03]
    kind = str(rng.choice(["none", "short", "full", "long", "bun"], p=chances))
    beard = float(rng.uniform(0.3, 1.0)) if female < 0.3 and rng.random() < 0.35 else 0.0
    hat = str(rng.choice(["none", "cap", "brim", "beanie"], p=[0.84, 0.07, 0.04, 0.05]))
    hat_colour = _random_colour(rng)
    worn = random_clothes(rng, female=female)
    jitter = rng.normal(1.0, 0.05, 3)
    return Looks(
        _colour(np.array(skin) * rng.normal(1.0, 0.03)),
        _colour(np.array(hair) * jitter),
        kind,
        beard,
        hat,
        hat_colour,
        worn if clothes is None else clothes,
    )


def _random_cloth(rng: np.random.Generator, patterned: float) -> Cloth:
    kinds = ["across", "down", "checks", "dots", "noise"]
    kind = str(rng.choice(kinds, p=[0.3, 0.15, 0.25, 0.1, 0.2]))
    plain = bool(rng.random() >= patterned)
    return Cloth(
        "plain" if plain else kind,
        _random_colour(rng),
        _random_colour(rng),
        float(rng.uniform(0.03, 0.14)),
        float(rng.uniform(0.25, 0.6)),
        rng.random((64, 64)) ** float(rng.uniform(0.5, 2.0)),
    )


def _random_colour(rng: np.random.Generator) -> Colour:
    """Often grey, black, white or blue as clothes are, else any."""
    if rng.random() < 0.4:
        level = float(rng.choice([25, 45, 80, 130, 190, 235]))
        return _colour(level * rng.normal(1.0, 0.04, 3))
    hue = rng.normal(0.62, 0.04) if rng.random() < 0.25 else rng.random()
    red, green, blue = colorsys.hsv_to_rgb(
        float(hue) % 1, float(rng.uniform(0.25, 0.95)), float(rng.uniform(0.2, 0.95))
    )
    return _colour(np.array([blue, green, red]) * 255)


def _colour(values: NDArray[np.float64]) -> Colour:
    blue, green, red = (float(value) for value in np.clip(values, 0, 255))
    return blue, green, red
