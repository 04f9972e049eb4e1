"""Settings out of range are refused by name."""

from __future__ import annotations

from numbers import Integral


def check_whole(least: int, /, **settings: object) -> None:
    """Refuse what is not a whole number of at least ``least``.

    Raises
    ------
    ValueError
        With the setting's name and what was given.

    Examples
    --------
    >>> check_whole(1, memory=0)
    Traceback (most recent call last):
    ValueError: memory must be a whole number of at least 1, got 0
    """
    for name, value in settings.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")


def check_fraction(**settings: float) -> None:
    """Refuse what does not lie in [0, 1]; NaN does not.

    Examples
    --------
    >>> check_fraction(max_oks=0.5, min_similarity=1)
    """
    for name, value in settings.items():
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1], got {value!r}")


def check_at_least(least: float, /, **settings: float) -> None:
    """Refuse what is smaller, or NaN.

    Examples
    --------
    >>> check_at_least(0, box_growth=0.15)
    """
    for name, value in settings.items():
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, got {value!r}")
