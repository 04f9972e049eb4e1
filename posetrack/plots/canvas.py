"""An empty matplotlib figure that needs no screen and no global state."""

from __future__ import annotations

from typing import Any


def new_figure(*, width: float, height: float) -> Any:
    """A figure that is drawn into files alone.

    Parameters
    ----------
    width, height
        Inches.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'plots need matplotlib: pip install "posetrack[eval]"', name=error.name
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
