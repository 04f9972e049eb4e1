"""An empty matplotlib figure that needs no screen and no global state."""

from __future__ import annotations

import io
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from posetrack.checks import require_library
from posetrack.files import date_of_writing, write_whole


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
    with require_library("plots need matplotlib", "posetrack[eval]"):
        _import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _import_matplotlib() -> None:
    """Import it even where ``MPLBACKEND`` names a way to show figures that is not installed.

    Notebooks set it for the commands that they start, and matplotlib then refuses to be imported.
    """
    backend = os.environ.get("MPLBACKEND")
    try:
        import_module("matplotlib")
    except ValueError:
        if backend is None:
            raise
        del os.environ["MPLBACKEND"]
        try:
            import_module("matplotlib")
        finally:
            os.environ["MPLBACKEND"] = backend


def write_figure(figure: Any, path: str | Path, *, dpi: int) -> None:
    """Write a figure so that it appears whole; the same figure gives the same bytes at one date.

    Parameters
    ----------
    figure
        Of `new_figure`.
    path
        Where; its ending says what kind.
    dpi
        Pixels an inch.
    """
    from matplotlib import rc_context

    path = Path(path)
    date = date_of_writing()
    dates = {".svg": {"Date": date.isoformat(timespec="seconds")}, ".pdf": {"CreationDate": date}}
    drawn = io.BytesIO()
    # Names inside an SVG file are random without a salt.
    with rc_context({"svg.hashsalt": "posetrack"}):
        kind = path.suffix.lower()
        figure.savefig(drawn, dpi=dpi, format=kind[1:] or None, metadata=dates.get(kind))
    write_whole(path, drawn.getvalue(), durable=False)
