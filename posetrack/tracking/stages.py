"""How long each stage of a tracker takes, by objects put around its networks and its flow.

Nothing in the tracker knows of it: a tracker that is not measured pays nothing.
"""

from __future__ import annotations

import copy
import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from posetrack.build import default_flow
from posetrack.interfaces import SharedNetwork
from posetrack.tracking.tracker import Tracker

STAGES = (
    "decode", "upload", "detector", "crops", "network", "keypoints", "flow", "association",
    "drawing", "writing",
)  # fmt: skip
"""In the order of a frame's path; which of them there are depends on the networks."""


class StageClock:
    """Seconds of each stage, frame by frame; what is inside another stage counts there only.

    Parameters
    ----------
    synchronise
        Called before each reading of the clock: on a GPU, waits until it has done what it was
        asked for, so that time counts where it is spent. It takes away what would overlap.

    Examples
    --------
    >>> clock = StageClock()
    >>> with clock.stage("network"):
    ...     pass
    >>> clock.next_frame()
    >>> [sorted(row) for row in clock.rows]
    [['network']]
    """

    def __init__(self, synchronise: Callable[[], object] | None = None) -> None:
        self._synchronise = synchronise
        self._inner: list[float] = []
        self._row: dict[str, float] = {}
        self.rows: list[dict[str, float]] = []

    def now(self) -> float:
        """Seconds on the clock."""
        if self._synchronise is not None:
            self._synchronise()
        return time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside for a stage."""
        begin = self.now()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = self.now() - begin
            inside = self._inner.pop()
            self._row[name] = self._row.get(name, 0.0) + whole - inside
            if self._inner:
                self._inner[-1] += whole

    def time(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted for a stage."""

        def timed(*arguments: Any, **settings: Any) -> Any:
            with self.stage(name):
                return call(*arguments, **settings)

        return timed

    def next_frame(self) -> None:
        """The frame is over: what was counted makes a row."""
        self.rows.append(self._row)
        self._row = {}

    def forget(self) -> None:
        """Begin anew."""
        self.rows, self._row = [], {}


def summarise(rows: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Median and 95th percentile in ms, and the share of the whole, of each stage.

    Parameters
    ----------
    rows
        Of a `StageClock`; a stage that a frame did not have took no time in it.

    Examples
    --------
    >>> summarise([{"network": 0.003, "flow": 0.001}, {"network": 0.003}])["network"]
    {'median_ms': 3.0, 'p95_ms': 3.0, 'share': 0.857...}
    """
    found: dict[str, dict[str, float]] = {}
    whole = sum(sum(row.values()) for row in rows)
    for name in sorted({name for row in rows for name in row}, key=_position):
        seconds = np.array([row.get(name, 0.0) for row in rows])
        found[name] = {
            "median_ms": float(np.median(seconds) * 1e3),
            "p95_ms": float(np.percentile(seconds, 95) * 1e3),
            "share": float(seconds.sum() / whole) if whole else 0.0,
        }
    return found


def _position(name: str) -> tuple[int, str]:
    return (STAGES.index(name) if name in STAGES else len(STAGES), name)


def measure_stages(tracker: Tracker, clock: StageClock) -> Tracker:
    """A tracker with the same networks and settings, whose stages a clock counts.

    ``update`` is counted as the association, for what is not a network or flow there is that. Of
    a pose network that sees crops, cropping, the network and what makes keypoints of its answer
    are counted apart where it runs on the host; vectors of SimCC are decoded in "crops", and on a
    device all but the crops is "network".

    Parameters
    ----------
    tracker
        Left as it is; its networks are used, not copied. Those that it would take by itself at
        its first image, but for the flow, are not counted.
    """
    measured = copy.copy(tracker)
    if tracker.detector is not None:
        measured.detector = _Measured(tracker.detector, clock, {"__call__": "detector"})
    if tracker.estimator is not None:
        measured.estimator = _measure_estimator(tracker.estimator, clock)
    flow = default_flow(tracker.device) if tracker.flow is None else tracker.flow
    measured.flow = _Measured(flow, clock, {"prepare": "flow", "move": "flow"})
    measured.upload = clock.time("upload", tracker.upload)  # type: ignore[method-assign]
    measured.update = clock.time(  # type: ignore[method-assign]
        "association", lambda *given, **more: Tracker.update(measured, *given, **more)
    )
    measured.reset()
    return measured


class _Measured:
    """An object some of whose methods are counted."""

    def __init__(self, inner: Any, clock: StageClock, methods: dict[str, str]) -> None:
        self._inner = inner
        self._call = inner
        for method, stage in methods.items():
            timed = clock.time(stage, inner if method == "__call__" else getattr(inner, method))
            setattr(self, "_call" if method == "__call__" else method, timed)

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)


class _MeasuredShared(_Measured):
    """The same of a network for boxes and keypoints, which is known by its methods."""

    prepare: Any
    detect: Any
    estimate: Any

    @property
    def skeleton(self) -> Any:
        return self._inner.skeleton


def _measure_estimator(estimator: Any, clock: StageClock) -> Any:
    from posetrack.estimators.top_down import TopDown

    if isinstance(estimator, SharedNetwork):
        stages = {"prepare": "network", "detect": "detector", "estimate": "keypoints"}
        return _MeasuredShared(estimator, clock, stages)
    if not isinstance(estimator, TopDown):
        return _Measured(estimator, clock, {"__call__": "network"})
    inside = copy.copy(estimator)
    if inside._on_device is not None:
        device = copy.copy(inside._on_device)
        device.decode_crops = clock.time(  # type: ignore[method-assign]
            "network", inside._on_device.decode_crops
        )
        inside._on_device = device
    else:
        session = inside._session
        inside._session = dataclasses.replace(session, run=clock.time("network", session.run))
        inside.decode = clock.time("keypoints", inside.decode)
    return _Measured(inside, clock, {"__call__": "crops"})
