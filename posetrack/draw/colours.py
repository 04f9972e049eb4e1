"""Colours that distinguish people: one for each id, far from those of its neighbours.

Colours are chosen in OKLCH (Björn Ottosson, *A perceptual color space for image processing*,
2020), where equal steps look equally large, so that no two hues blend into one as yellow and
green do in HSV, and all are about as bright.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red, each in [0, 255]."""

_GOLDEN: Final = 2654435769
_WHOLE: Final = 2**32
"""Their ratio is the golden section: whole numbers, so that large ids differ as small ones do."""

# Found by search: the largest least distance among ids 1 to 6, 1 to 10 and 1 to 16.
_FIRST_TURN: Final = 0.24
_LIGHTNESS: Final = (0.74, 0.62, 0.86)
_CHROMA: Final = 0.2
_PAPER_LIGHTNESS: Final = (0.56, 0.42, 0.70)
"""The same three steps, dark enough for lines on white."""


@lru_cache(maxsize=4096)
def colour_of(track_id: int) -> Colour:
    """The colour of an id: always the same, and far from those of ids close by.

    Each hue is a golden section of the circle after the one before, which leaves no two of any
    run of ids close together; lightness goes round three steps.

    Parameters
    ----------
    track_id
        Any integer.

    Returns
    -------
    Colour
        Blue, green, red.

    Examples
    --------
    >>> colour_of(1) == colour_of(1), colour_of(1) == colour_of(2)
    (True, False)
    """
    return from_oklch(_LIGHTNESS[track_id % len(_LIGHTNESS)], _CHROMA, _turn(track_id))


@lru_cache(maxsize=4096)
def paper_colour_of(track_id: int) -> Colour:
    """The colour of an id for lines on white: the hue of `colour_of`, and darker.

    Lightness differs between neighbours, too, for people who cannot distinguish the hues.

    Examples
    --------
    >>> sum(paper_colour_of(3)) < sum(colour_of(3))
    True
    """
    lightness = _PAPER_LIGHTNESS[track_id % len(_PAPER_LIGHTNESS)]
    return from_oklch(lightness, _CHROMA, _turn(track_id))


def _turn(track_id: int) -> float:
    return (_FIRST_TURN + track_id * _GOLDEN % _WHOLE / _WHOLE) % 1.0


def from_oklch(lightness: float, chroma: float, turn: float) -> Colour:
    """The displayable colour nearest in chroma to one of OKLCH.

    Parameters
    ----------
    lightness
        0 black to 1 white.
    chroma
        0 grey to about 0.3; lowered as far as needed for the colour to exist on a screen.
    turn
        Hue in [0, 1), a fraction of the circle.

    Examples
    --------
    >>> from_oklch(0.0, 0.0, 0.0), from_oklch(1.0, 0.0, 0.0)
    ((0, 0, 0), (255, 255, 255))
    """
    angle = math.tau * turn
    for step in range(21):
        strength = chroma * (1 - step / 20)
        linear = _linear_rgb(lightness, strength * math.cos(angle), strength * math.sin(angle))
        if all(-1e-4 <= part <= 1 + 1e-4 for part in linear):
            break
    red, green, blue = (round(255 * _gamma(min(max(part, 0.0), 1.0))) for part in linear)
    return blue, green, red


def mix(colour: Colour, other: Colour, share: float) -> Colour:
    """``share`` of ``other`` mixed into ``colour``.

    Examples
    --------
    >>> mix((0, 0, 0), (200, 100, 50), 0.5)
    (100, 50, 25)
    """
    blue, green, red = (
        round(own + (new - own) * share) for own, new in zip(colour, other, strict=True)
    )
    return blue, green, red


def _linear_rgb(lightness: float, a: float, b: float) -> tuple[float, float, float]:
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _gamma(part: float) -> float:
    return 12.92 * part if part <= 0.0031308 else 1.055 * math.pow(part, 1 / 2.4) - 0.055
