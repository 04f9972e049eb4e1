"""Pictures: of an evaluation, of training runs, of what a network sees.

Charts need matplotlib (``pip install "posetrack[eval]"``); grids of images are drawn by OpenCV.
Each name is loaded on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_WHERE = {
    "best_epochs": "training",
    "id_colour": "evaluation",
    "person_timeline": "evaluation",
    "plot_curves": "training",
    "plot_timeline": "evaluation",
    "read_runs": "training",
}

if TYPE_CHECKING:
    from posetrack.plots.evaluation import id_colour, person_timeline, plot_timeline
    from posetrack.plots.training import best_epochs, plot_curves, read_runs

__all__ = [
    "best_epochs",
    "id_colour",
    "person_timeline",
    "plot_curves",
    "plot_timeline",
    "read_runs",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'posetrack.plots' has no attribute {name!r}")
    return getattr(import_module(f"posetrack.plots.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
