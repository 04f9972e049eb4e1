"""A tracker's state as named arrays, through a file and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posetrack.skeletons import KNOWN_SKELETONS, Skeleton
from posetrack.tracking.memory import Memory
from posetrack.tracking.state import State, flatten, pack_skeleton, unflatten, unpack_skeleton

arrays = hnp.arrays(
    st.sampled_from([np.uint8, np.float32, np.int64]), hnp.array_shapes(min_dims=0, max_side=3)
)
nested = st.recursive(arrays, lambda inner: st.lists(inner, min_size=1, max_size=12), max_leaves=14)


def same(first: Any, second: Any) -> bool:
    if isinstance(first, list | tuple):
        pairs = zip(first, second, strict=True)
        return isinstance(second, tuple) and all(same(a, b) for a, b in pairs)
    return first.dtype == second.dtype and np.array_equal(
        first, second, equal_nan=first.dtype.kind == "f"
    )


@given(value=nested)
def test_nested_arrays_come_back_as_they_were(value: Any) -> None:
    flat = flatten("flow", value)
    assert all(type(part) is np.ndarray for part in flat.values())
    assert same(value, unflatten("flow", flat))


@given(value=nested)
def test_other_names_do_not_disturb(value: Any) -> None:
    flat = {**flatten("flow", value), **flatten("flowing", np.zeros(3)), "f": np.ones(1)}
    assert same(value, unflatten("flow", flat))


def test_nothing_comes_back_as_nothing() -> None:
    assert flatten("flow", None) == {}
    assert unflatten("flow", {}) is None


@pytest.mark.parametrize("nothing", [None, ()])
def test_nothing_among_arrays_leaves_the_others(nothing: Any) -> None:
    again = unflatten("flow", flatten("flow", (nothing, np.ones(2))))
    np.testing.assert_array_equal(again[-1], np.ones(2))


def test_what_is_no_array_is_refused_by_its_place() -> None:
    with pytest.raises(TypeError, match=r"flow\.1 is a dict.*prepare\(\)"):
        flatten("flow", (np.zeros(1), {"pyramid": np.zeros(1)}))


def test_flattened_arrays_are_copies() -> None:
    original = np.zeros(3)
    flatten("flow", original)["flow"][:] = 1
    assert not original.any()


@pytest.mark.parametrize("skeleton", KNOWN_SKELETONS.values(), ids=KNOWN_SKELETONS.keys())
def test_every_skeleton_survives(skeleton: Skeleton) -> None:
    assert unpack_skeleton(pack_skeleton(skeleton)) == skeleton


def test_no_skeleton_survives_too() -> None:
    assert unpack_skeleton(pack_skeleton(None)) is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "3",
        "{}",
        '{"name": "a", "keypoints": 3, "edges": [], "mirrored": [], "sigmas": []}',
    ],
)
def test_what_is_no_skeleton_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="its skeleton cannot be read"):
        unpack_skeleton(np.array(text))


def full_state() -> State:
    skeleton = KNOWN_SKELETONS["coco_17"]
    rng = np.random.default_rng(0)
    whole, time = np.array([2, 3]), np.array([0.2, 0.4])
    past = Memory(
        xy=rng.random((2, 17, 2), np.float32),
        scores=rng.random((2, 17), np.float32),
        xyxy=np.array([[0, 0, 1, 1], [2, 2, 5, 5]], np.float32),
        box_scores=rng.random(2, np.float32),
        frame=whole,
        seconds=time,
        ids=whole + 1,
        flow_age=whole + 2,
        missed=whole + 3,
        hits=whole + 4,
        born=time + 1,
        supported=time + 2,
        found_xy=rng.random((2, 17, 2), np.float32),
        found_xyxy=rng.random((2, 4), np.float32),
    )
    before = (rng.random((4, 4), np.float32), np.uint8(3), np.zeros((0, 2)))
    return State(9, 0.36, 4, -3, (640, 480), before, past, skeleton)


@pytest.mark.parametrize("state", [State(), full_state()], ids=["new", "full"])
def test_a_state_survives_a_file_without_pickle(state: State, tmp_path: Path) -> None:
    np.savez(tmp_path / "state.npz", **state.to_arrays())
    with np.load(tmp_path / "state.npz", allow_pickle=False) as saved:
        again = State.from_arrays(saved)
    before, after = state.to_arrays(), again.to_arrays()
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values)
        assert after[name].dtype == values.dtype
    assert (again.frame, again.next_id, again.size) == (state.frame, state.next_id, state.size)
    assert again.skeleton == state.skeleton


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("version", None),
        ("version", np.array(1)),
        ("counters", None),
        ("counters", np.zeros(4, np.int64)),
        ("skeleton", None),
        ("skeleton", np.array("nonsense")),
        ("skeleton", pack_skeleton(KNOWN_SKELETONS["mpii_16"])),
        ("past.xy", None),
        ("past.found_xy", None),
        ("past.ids", np.zeros(3, np.int64)),
        pytest.param("past.xy", np.zeros(3, np.float32), id="past.xy-flat"),
        pytest.param("version", np.array([1, 2]), id="versions"),
        pytest.param("version", np.array("one"), id="version-text"),
    ],
)
def test_a_damaged_state_is_refused(name: str, values: Any) -> None:
    saved = full_state().to_arrays()
    if values is None:
        del saved[name]
    else:
        saved[name] = values
    with pytest.raises(ValueError, match="state"):
        State.from_arrays(saved)
