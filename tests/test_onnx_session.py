"""Opening ONNX files: what works, and what is said about what does not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")
onnx = pytest.importorskip("onnx", reason="needs the extra posetrack[onnx]")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_files import answering, brightness_maps, save  # noqa: E402

from posetrack.devices import usable_cores  # noqa: E402
from posetrack.ops.crops import normalise  # noqa: E402
from posetrack.runtimes.onnxruntime import open_network, open_session  # noqa: E402


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    return brightness_maps(tmp_path / "net.onnx", 2, batch=1)


def with_weights_beside(path: Path, location: str) -> Path:
    weights = numpy_helper.from_array(np.ones((1, 3, 8, 8), np.float32), "w")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    entry = weights.external_data.add()
    entry.key, entry.value = "location", location
    shape = (1, 3, 8, 8)
    node = helper.make_node("Add", ["x", "w"], ["y"])
    return save(path, [node], {"x": shape}, {"y": (TensorProto.FLOAT, shape)}, weights=[weights])


def test_a_file_opens_and_runs(network_file: Path) -> None:
    network = open_network(network_file, threads=1)
    assert (network.batch, network.input_size, network.output_names) == (1, (48, 64), ("maps",))
    assert network.output_shapes == ((1, 2, 16, 12),)
    outputs = network(np.ones((1, 3, 64, 48), np.float32))
    np.testing.assert_allclose(outputs[0], np.ones((1, 2, 16, 12)), rtol=1e-6)


def test_open_sizes_are_none(tmp_path: Path) -> None:
    path = brightness_maps(tmp_path / "net.onnx", 2, height="H", width="W")
    network = open_network(path, threads=1)
    assert (network.batch, network.input_size) == (None, None)
    assert network.size_for((40, 80)) == (40, 80)
    with pytest.raises(ValueError, match=r"any size; say which with input_size="):
        network.size_for(None)


def test_a_fixed_size_cannot_be_changed(network_file: Path) -> None:
    network = open_network(network_file, threads=1)
    assert network.size_for(None) == network.size_for((48, 64)) == (48, 64)
    with pytest.raises(ValueError, match=r"fixed to \(48, 64\)"):
        network.size_for((64, 48))


def test_images_are_cast_to_what_the_file_takes(tmp_path: Path) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    kind = {"y": (TensorProto.FLOAT16, (1, 3, 4, 4))}
    path = save(
        tmp_path / "half.onnx",
        [node],
        {"x": (1, 3, 4, 4)},
        kind,
        input_type=TensorProto.FLOAT16,
    )
    network = open_network(path, threads=1)
    assert network.run(np.zeros((1, 3, 4, 4), np.float32))[0].dtype == np.float16
    # 16 bits are too few to compute with pixels.
    assert network(np.zeros((1, 3, 4, 4), np.float32))[0].dtype == np.float32


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"hello world " * 50, "not an ONNX file, or is cut short"),
        (bytes(1000), "not an ONNX file, or is cut short"),
        (b"<!DOCTYPE html><html>quota exceeded</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
    ],
    ids=["empty", "text", "zeros", "web page", "lfs pointer"],
)
def test_what_is_not_onnx_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        open_session(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(network_file: Path, share: float) -> None:
    content = network_file.read_bytes()
    network_file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=str(network_file)):
        open_session(network_file)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_session(tmp_path / "nowhere.onnx")
    with pytest.raises(IsADirectoryError, match="folder"):
        open_session(tmp_path)


def test_a_newer_opset_is_refused_with_the_way_out(tmp_path: Path) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    kind = {"y": (TensorProto.FLOAT, (1,))}
    path = save(tmp_path / "net.onnx", [node], {"x": (1,)}, kind, opset=999)
    with pytest.raises(ValueError, match="Update onnxruntime, or export with a lower opset"):
        open_session(path)


def test_a_foreign_operator_is_refused_with_the_way_out(tmp_path: Path) -> None:
    node = helper.make_node("BatchedNMS", ["x"], ["y"], domain="plugins")
    domain = helper.make_opsetid("plugins", 1)
    kind = {"y": (TensorProto.FLOAT, (1,))}
    path = save(tmp_path / "net.onnx", [node], {"x": (1,)}, kind, domains=[domain])
    with pytest.raises(ValueError, match=r"operator that onnxruntime .* does not have"):
        open_session(path)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(np.full(192, 5, np.float32).tobytes())
    network = open_network(with_weights_beside(tmp_path / "net.onnx", "w.bin"), threads=1)
    assert (network(np.zeros((1, 3, 8, 8)))[0] == 5).all()


@pytest.mark.parametrize("location", ["missing.bin", "../outside.bin", "/etc/hostname"])
def test_weights_missing_or_elsewhere_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside.bin").write_bytes(bytes(768))
    path = with_weights_beside(folder / "net.onnx", location)
    with pytest.raises(ValueError, match="its weights are in a further file"):
        open_session(path)


def test_an_absent_provider_is_refused(network_file: Path) -> None:
    with pytest.raises(ValueError, match="this onnxruntime has the providers"):
        open_session(network_file, providers=["NoSuchExecutionProvider"])
    assert open_session(network_file, providers=["CPUExecutionProvider"], threads=1)


def test_threads_below_one_are_refused(network_file: Path) -> None:
    with pytest.raises(ValueError, match="threads must be at least 1"):
        open_session(network_file, threads=0)
    assert usable_cores() >= 1


def test_without_onnxruntime_the_extra_is_named(
    network_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "posetrack\[onnx\]"'):
        open_session(network_file)


def test_further_inputs_need_values(tmp_path: Path) -> None:
    answer = {"boxes": np.zeros((1, 4), np.float32)}
    path = answering(tmp_path / "net.onnx", answer, further_inputs={"sizes": (1, 2)})
    with pytest.raises(ValueError, match=r"constants=\{name: array\}"):
        open_network(path, threads=1)
    network = open_network(path, threads=1, constants={"sizes": np.ones((1, 2), np.float32)})
    assert network(np.zeros((1, 3, 64, 64)))[0].shape == (1, 4)
    with pytest.raises(ValueError, match=r"constants for \['size'\]"):
        open_network(path, threads=1, constants={"size": 1})


@pytest.mark.parametrize("shape", [(1, 4, 6, 3), ("n", "h", "w", 3)], ids=["fixed", "open"])
def test_channels_that_come_last_in_the_file_are_put_there(
    tmp_path: Path, shape: tuple[int | str, ...]
) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    path = save(tmp_path / "net.onnx", [node], {"x": shape}, {"y": (TensorProto.FLOAT, shape)})
    network = open_network(path, threads=1)
    assert network.input_size == ((6, 4) if shape[0] == 1 else None)
    images = np.arange(72, dtype=np.float32).reshape(1, 3, 4, 6)
    np.testing.assert_array_equal(network(images)[0], images.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.INT32])
def test_a_file_that_takes_whole_numbers_gets_the_pixels_as_they_are(
    tmp_path: Path, kind: int
) -> None:
    node = helper.make_node("Identity", ["x"], ["y"])
    shape = (1, 3, 1, 256)
    path = save(tmp_path / "net.onnx", [node], {"x": shape}, {"y": (kind, shape)}, input_type=kind)
    network = open_network(path, threads=1)
    assert network.card.normalisation is not None
    pixels = np.stack([np.arange(256), np.arange(256)[::-1], np.full(256, 7)], axis=-1)
    batch = normalise(pixels[None, None].astype(np.uint8), network.card.normalisation)
    np.testing.assert_array_equal(network(batch)[0][0, :, 0], pixels.T[::-1])  # RGB


def test_what_is_no_image_is_refused_in_a_line(tmp_path: Path) -> None:
    answer = {"boxes": np.zeros((1, 4), np.float32)}
    path = answering(tmp_path / "net.onnx", answer, input_shape=(1, 5, 64, 64))
    with pytest.raises(ValueError, match=r"expected images as .* it has inputs images") as refused:
        open_network(path, threads=1)
    assert "\n" not in str(refused.value)


def test_a_batch_that_cannot_be_taken_apart_is_refused(tmp_path: Path) -> None:
    rows = {"rows": np.zeros((5, 7), np.float32)}
    path = answering(tmp_path / "net.onnx", rows, input_shape=(4, 3, 8, 8))
    network = open_network(path, threads=1).for_one_image()
    with pytest.raises(RuntimeError, match="of which of 4 images; export it again for one image"):
        network(np.zeros((1, 3, 8, 8), np.float32))


def test_a_failing_run_names_the_file(network_file: Path) -> None:
    network = open_network(network_file, threads=1)
    with pytest.raises(RuntimeError, match=r"net\.onnx .* onnxruntime failed"):
        network(np.zeros((2, 3, 64, 48)))
    assert "data float [1, 3, 64, 48]" in network.description
