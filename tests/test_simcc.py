"""SimCC vectors: decoding against rtmlib's, and networks that give them as pose estimators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.estimators.top_down import TopDown
from posetrack.ops.crops import box_to_center_scale, heatmap_to_image
from posetrack.ops.simcc import decode_simcc, find_simcc, simcc_input_size
from posetrack.runtimes.session import Session
from posetrack.skeletons import COCO_17, COCO_WHOLEBODY_133, HALPE_26
from posetrack.structures import Detections

SIZE = (48, 64)
Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def rtmlib() -> Any:
    """What rtmlib 0.0.16 makes of the same vectors."""
    return json.loads(Path(__file__).with_name("rtmlib_oracle.json").read_text())["simcc"]


@pytest.fixture(scope="module")
def vectors(rtmlib: Any) -> tuple[Array, Array]:
    rng = np.random.default_rng(rtmlib["seed"])
    x, y = rng.normal(0.1, 0.3, (4, 17, 96)), rng.normal(0.1, 0.3, (4, 17, 128))
    return x.astype(np.float32), y.astype(np.float32)


def session_of(*outputs: Array, names: tuple[str, ...] = (), **known: Any) -> Session:
    """A network that answers so, whatever it sees; as many rows as it is given crops."""
    shapes = tuple((None, *output.shape[1:]) for output in outputs)
    return Session(
        Path("rtmpose.onnx"),
        lambda images: [np.resize(output, (len(images), *output.shape[1:])) for output in outputs],
        "numpy",
        output_names=names,
        output_shapes=shapes,
        **known,
    )


def test_keypoints_and_scores_are_rtmlibs(rtmlib: Any, vectors: tuple[Array, Array]) -> None:
    xy, scores = decode_simcc(*vectors)
    center, scale = box_to_center_scale(rtmlib["boxes"], input_size=SIZE, padding=1.25)
    image = heatmap_to_image(xy, center, scale, SIZE)
    np.testing.assert_allclose(scores, rtmlib["scores"], atol=1e-4)
    np.testing.assert_allclose(image, rtmlib["xy"], atol=1e-3)


def test_a_network_of_simcc_gives_rtmlibs_poses(rtmlib: Any, vectors: tuple[Array, Array]) -> None:
    estimate = TopDown(session_of(*vectors))
    assert estimate.input_size == SIZE
    boxes = Detections(rtmlib["boxes"], np.ones(4))
    poses = estimate(np.zeros((240, 320, 3), np.uint8), boxes)
    np.testing.assert_allclose(poses.xy, rtmlib["xy"], atol=1e-3)
    np.testing.assert_allclose(poses.scores, rtmlib["scores"], atol=1e-4)


def test_maps_of_vectors_are_as_high_as_scores_where_the_keypoints_are(
    rtmlib: Any, vectors: tuple[Array, Array]
) -> None:
    boxes = Detections(rtmlib["boxes"], np.ones(4))
    _, maps = TopDown(session_of(*vectors)).find_heatmaps(np.zeros((240, 320, 3), np.uint8), boxes)
    xy, scores = decode_simcc(*vectors)
    seen = scores > 0
    peaks = maps.reshape(*maps.shape[:2], -1)
    np.testing.assert_allclose(peaks.max(axis=2)[seen], scores[seen], rtol=1e-5)
    rows, columns = np.divmod(peaks.argmax(axis=2), maps.shape[3])
    np.testing.assert_allclose(np.stack([columns, rows], axis=2)[seen] / 2, xy[seen])


def test_vectors_are_told_apart_by_name_or_length(vectors: tuple[Array, Array]) -> None:
    x, y = vectors
    image, boxes = np.zeros((99, 99, 3), np.uint8), Detections([[10, 10, 40, 80]], [1])
    plain = TopDown(session_of(x, y))(image, boxes)
    swapped = TopDown(session_of(y, x), input_size=SIZE)(image, boxes)
    named = TopDown(session_of(y, x, names=("simcc_y", "simcc_x")))(image, boxes)
    np.testing.assert_array_equal(plain.xy, swapped.xy)
    np.testing.assert_array_equal(plain.xy, named.xy)


def test_in_a_square_crop_the_first_is_x_unless_names_say_otherwise() -> None:
    shapes = [(1, 17, 512), (1, 17, 512)]
    first, other = find_simcc(shapes, (256, 256)), find_simcc(shapes, (256, 256), ("y", "x"))
    assert first is not None
    assert other is not None
    assert (first.x, first.y, other.x, other.y) == (0, 1, 1, 0)


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 17, 96)],
        [(1, 17, 96), (1, 16, 128)],
        [(1, 17, 96), (1, 17, 127)],
        [(1, 17, 24), (1, 17, 32)],
        [(1, 17, 64, 48), (1, 17, 128)],
        [(1, 17, 0), (1, 17, 0)],
    ],
)
def test_other_outputs_are_no_simcc(shapes: list[tuple[int, ...]]) -> None:
    assert find_simcc(shapes, SIZE) is None


@pytest.mark.parametrize("names", [(), ("simcc_x", "simcc_y", "simcc_z"), ("z", "y", "x")])
def test_of_three_vectors_those_in_the_picture_count(names: tuple[str, ...]) -> None:
    lengths = {"x": 384, "y": 512, "z": 384}
    order = [name[-1] for name in names] or ["x", "y", "z"]
    shapes = [(1, 133, lengths[letter]) for letter in order]
    found = find_simcc(shapes, (192, 256), names)
    assert found is not None
    assert (order[found.x], order[found.y], found.split_ratio) == ("x", "y", 2.0)
    assert simcc_input_size(shapes, names) == (192, 256)


def test_a_size_left_open_follows_from_the_vectors() -> None:
    assert simcc_input_size([(None, 26, 576), (None, 26, 768)]) == (288, 384)
    assert simcc_input_size([(None, 26, None), (None, 26, 768)]) is None


@pytest.mark.parametrize("skeleton", [COCO_17, HALPE_26, COCO_WHOLEBODY_133], ids=str)
def test_the_skeleton_follows_from_the_number_of_keypoints(skeleton: Any) -> None:
    count = len(skeleton)
    network = session_of(np.ones((1, count, 96), np.float32), np.ones((1, count, 128), np.float32))
    assert TopDown(network).skeleton is skeleton


def test_a_skeleton_that_does_not_fit_is_refused(vectors: tuple[Array, Array]) -> None:
    with pytest.raises(ValueError, match="17 keypoints, the skeleton 'halpe_26' has 26"):
        TopDown(session_of(*vectors), HALPE_26)


def test_decoding_of_heatmaps_does_not_go_with_vectors(vectors: tuple[Array, Array]) -> None:
    with pytest.raises(ValueError, match="SimCC"):
        TopDown(session_of(*vectors), decode=lambda maps: (maps, maps))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0, -1.0])
def test_what_is_not_there_or_not_finite_is_unseen(value: float) -> None:
    xy, scores = decode_simcc(
        np.full((1, 2, 8), value, np.float32), np.full((1, 2, 6), value, np.float32)
    )
    assert np.isnan(xy).all()
    assert (scores == 0).all()


def test_one_nan_hides_its_keypoint_alone(vectors: tuple[Array, Array]) -> None:
    x, y = vectors[0].copy(), vectors[1]
    before = decode_simcc(x, y)
    x[2, 3, 50] = np.nan
    xy, scores = decode_simcc(x, y)
    assert np.isnan(xy[2, 3]).all()
    assert scores[2, 3] == 0
    rest = np.ones((4, 17), bool)
    rest[2, 3] = False
    np.testing.assert_array_equal(xy[rest], before[0][rest])


def test_the_flip_test_turns_x_and_changes_sides() -> None:
    """A network that sees the brightest column and row: a mirrored crop gives mirrored vectors."""

    def run(images: Array) -> list[Array]:
        bright = images.mean(axis=1)
        x = np.repeat(bright.max(axis=1), 2, axis=1)[:, None] + np.zeros((1, 17, 1), np.float32)
        y = np.repeat(bright.max(axis=2), 2, axis=1)[:, None] + np.zeros((1, 17, 1), np.float32)
        return [x, y]

    network = Session(Path("net.onnx"), run, "numpy", input_size=SIZE)
    image = np.zeros((160, 120, 3), np.uint8)
    image[90:94, 40:44] = 255
    boxes = Detections([[20, 20, 100, 140]], [1])
    plain = TopDown(network)(image, boxes)
    flipped = TopDown(network, flip_test=True)(image, boxes)
    assert np.abs(plain.xy - [42, 92]).max() < 4
    assert np.abs(flipped.xy - plain.xy).max() < 3


def test_a_file_fixed_to_a_batch_answers_for_each(vectors: tuple[Array, Array]) -> None:
    x, y = vectors

    def run(images: Array) -> list[Array]:
        assert len(images) == 3
        return [x[:3], y[:3]]

    network = Session(Path("net.onnx"), run, "numpy", batch=3, input_size=SIZE)
    boxes = Detections([[10, 10, 40, 80]] * 5, np.ones(5))
    poses = TopDown(network, threads=1)(np.zeros((99, 99, 3), np.uint8), boxes)
    np.testing.assert_array_equal(poses.xy[3:], poses.xy[:2])


def test_an_answer_for_fewer_crops_is_refused(vectors: tuple[Array, Array]) -> None:
    network = Session(
        Path("net.onnx"), lambda _: [part[:1] for part in vectors], "numpy", input_size=SIZE
    )
    boxes = Detections([[10, 10, 40, 80]] * 2, np.ones(2))
    with pytest.raises(ValueError, match="for 2 crops"):
        TopDown(network)(np.zeros((99, 99, 3), np.uint8), boxes)
