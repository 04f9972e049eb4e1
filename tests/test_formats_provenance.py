"""What a file says made it: complete, JSON, and without secrets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import posetrack
from posetrack.formats import describe_file, describe_run
from posetrack.formats.metadata import EmptyFrames
from posetrack.formats.provenance import as_json, describe_source

things = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=20,
)


@given(things)
def test_anything_becomes_json(thing: Any) -> None:
    json.dumps(as_json(thing), allow_nan=False)


def test_settings_of_many_types_stay_readable() -> None:
    @dataclass
    class Limits:
        low: float
        size: np.ndarray

    made = as_json(
        {
            "limits": Limits(np.float32(0.5), np.array([1, 2])),
            "path": Path("a") / "b",
            "names": {"b", "a"},
            "flow": object(),
            "picture": np.zeros((100, 100)),
        }
    )
    assert made == {
        "limits": {"low": 0.5, "size": [1, 2]},
        "path": "a/b",
        "names": ["a", "b"],
        "flow": "builtins.object",
        "picture": "array (100, 100) float64",
    }


def test_the_same_run_is_described_the_same(tmp_path: Path) -> None:
    weights = tmp_path / "pose.onnx"
    weights.write_bytes(b"abc")
    when = datetime(2026, 1, 2, tzinfo=UTC)
    described = [
        describe_run(
            settings={"min_oks": 0.25}, weights={"pose": weights}, source="a.mp4", created=when
        )
        for _ in range(2)
    ]
    assert described[0] == described[1]
    assert described[0]["posetrack"] == posetrack.__version__
    assert described[0]["created"] == "2026-01-02T00:00:00+00:00"
    assert described[0]["weights"]["pose"] == {
        "file": "pose.onnx",
        "bytes": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }
    assert described[0]["libraries"]["numpy"] == np.__version__


def test_a_missing_weight_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        describe_file(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("source", "described"),
    [
        (None, None),
        (2, {"camera": 2}),
        ("rtsp://user:p@ss@cam:554/live?x=1", {"address": "rtsp://cam:554/live?x=1"}),
        ("http://cam/stream", {"address": "http://cam/stream"}),
        ("clips/*.jpg", {"file": "clips/*.jpg"}),
    ],
)
def test_sources_are_described_without_passwords(source: Any, described: Any) -> None:
    assert describe_source(source) == described


@given(st.lists(st.integers(1, 4), max_size=30), st.sampled_from([25.0, 29.97, 60.0]))
def test_empty_frames_keep_index_and_time(steps: list[int], rate: float) -> None:
    indices = np.cumsum([0, *steps]).tolist()
    empty = EmptyFrames()
    for index in indices:
        empty.add(index, index / rate)
    assert [index for index, _ in empty] == indices
    assert len(empty) == len(indices)
    np.testing.assert_allclose([at for _, at in empty], np.array(indices) / rate, atol=0.002)
