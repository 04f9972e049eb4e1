"""Tensors in the layout of safetensors."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from posetrack.checkpoints.conversion import halve_tensors, halve_weights
from posetrack.checkpoints.weight_files import read_tensors, read_weights, tensors_as_bytes
from posetrack.training.saving import save_weights


def file_of(tmp_path, header, data=b"", size=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    length = len(text) if size is None else size
    path = tmp_path / "weights.safetensors"
    path.write_bytes(length.to_bytes(8, "little") + text + data)
    return path


def tensors():
    return {
        "half": torch.arange(5).half(),
        "whole": torch.randn(2, 3, 1),
        "count": torch.tensor(7),
        "none": torch.zeros(0, 4),
        "bits": torch.tensor([True, False, True]),
        "brain": torch.randn(3).bfloat16(),
    }


def same(a, b):
    return a.keys() == b.keys() and all(
        a[name].dtype == b[name].dtype and torch.equal(a[name], b[name]) for name in a
    )


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a.safetensors"
    wanted = tensors()
    path.write_bytes(tensors_as_bytes(wanted, {"posetrack": "{}"}))
    assert same(read_tensors(path), wanted)


def test_the_package_safetensors_reads_ours_and_we_read_its(tmp_path):
    package = pytest.importorskip("safetensors.torch")
    wanted = tensors()
    assert same(package.load(tensors_as_bytes(wanted, {"a": "b"})), wanted)
    path = tmp_path / "a.safetensors"
    package.save_file(wanted, path, metadata={"a": "b"})
    assert same(read_tensors(path), wanted)


GOOD = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "data", "why"),
    [
        ({"a": {**GOOD, "dtype": "X9"}}, bytes(8), "no kind known"),
        ({"a": {**GOOD, "shape": [3]}}, bytes(8), "does not take the bytes"),
        ({"a": {**GOOD, "shape": [2**62, 2**62]}}, bytes(8), "does not take the bytes"),
        ({"a": {**GOOD, "shape": [-1, -2]}}, bytes(8), "shape"),
        ({"a": {**GOOD, "shape": "2"}}, bytes(8), "shape"),
        ({"a": GOOD, "b": GOOD}, bytes(8), "overlap"),
        ({"a": GOOD}, bytes(7), "of 7 bytes"),
        ({"a": GOOD}, bytes(9), "1 bytes too many"),
        ({"a": 3}, bytes(8), "no kind known"),
        (["a"], b"", "not an object"),
        (b"{" * 20000, b"", "not a safetensors file"),
        (b"\xff\xfe", b"", "not a safetensors file"),
    ],
)
def test_damaged_files_are_refused_and_say_why(tmp_path, header, data, why):
    with pytest.raises(ValueError, match=why):
        read_tensors(file_of(tmp_path, header, data))


def test_a_header_longer_than_the_file_is_refused(tmp_path):
    for size in (0, 10**9, 2**63):
        with pytest.raises(ValueError, match="a header of"):
            read_tensors(file_of(tmp_path, b"{}", size=size))


@given(st.binary(max_size=60))
def test_noise_is_refused(content):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.safetensors")
        path.write_bytes(content)
        if content[:8] == (2).to_bytes(8, "little") and content[8:] == b"{}":
            return  # a file of no tensors
        with pytest.raises(ValueError, match=r"a\.safetensors is not a safetensors file"):
            read_tensors(path)


def test_halved_weights_keep_what_the_file_says(tmp_path):
    state = {"weight": torch.randn(40), "bn.num_batches_tracked": torch.tensor(3)}
    source = save_weights(tmp_path, "best", state, {"input_size": [96, 64]})
    target = halve_weights(source, tmp_path / "half.safetensors", licence="MIT")
    from posetrack.checkpoints.card import read_card

    said = read_card(target)
    assert (said.input_size, said.licence) == ((96, 64), "MIT")
    larger = halve_weights(source, tmp_path / "larger.safetensors", input_size=(192, 128))
    assert read_card(larger).input_size == (192, 128)
    found = read_weights(target).tensors
    assert list(found) == ["weight"]
    assert torch.equal(found["weight"], state["weight"].half())


def test_what_float16_cannot_hold_is_refused(tmp_path):
    with pytest.raises(ValueError, match="too large for float16, or not finite: b"):
        halve_tensors({"a": torch.ones(1), "b": torch.tensor([1e6])})
    with pytest.raises(ValueError, match=r"ends in \.safetensors"):
        halve_weights(tmp_path / "a", tmp_path / "b.pth")


def test_a_kind_without_a_name_is_refused():
    with pytest.raises(ValueError, match="complex64"):
        tensors_as_bytes({"a": torch.zeros(1, dtype=torch.complex64)})
