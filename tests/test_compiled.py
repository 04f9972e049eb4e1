from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from processes import in_a_fresh_process

import posetrack
from posetrack.ops.boxes import boxes_around, iou_matrix, nms
from posetrack.ops.compilation import compile_kernel, kernel_input
from posetrack.ops.heatmaps import average_flipped, decode_quarter
from posetrack.ops.matching import match_greedily, match_optimally
from posetrack.ops.oks import oks_matrix, oks_nms

PACKAGE = Path(posetrack.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if "ops.compilation import compile_kernel" in path.read_text()
)


def kernels():
    for name in MODULES:
        module = importlib.import_module(f"posetrack.{name}")
        for function in vars(module).values():
            if hasattr(function, "signatures") and function.__module__ == module.__name__:
                yield function


def variants(array):
    """The same values in other types, layouts and with the read-only flag."""
    for dtype in (np.float16, np.float32, np.float64):
        values = np.asarray(array, dtype)
        yield values
        yield np.asfortranarray(values)
        yield np.repeat(values, 2, axis=0)[::2]
        frozen = values.copy()
        frozen.flags.writeable = False
        yield frozen


def signatures_after_all_variants() -> dict[str, int]:
    """Versions of each kernel that calls with all kinds of arrays leave behind."""
    rng = np.random.default_rng(0)
    for xy in variants(rng.random((3, 17, 2))):
        oks_matrix(xy, xy, np.ones(3), np.ones(17))
        oks_nms(xy, np.ones(3), np.ones(3), np.ones(17), max_oks=0.5)
        boxes_around(xy)
    for xyxy in variants(rng.random((3, 4))):
        iou_matrix(xyxy, xyxy)
        nms(xyxy, xyxy[:, 0], max_iou=0.5)
    for similarity in variants(rng.random((5, 4))):
        match_greedily(similarity, at_least=0.5)
        match_optimally(similarity, at_least=0.0)
    for maps in variants(rng.random((1, 2, 5, 4))):
        decode_quarter(maps)
        average_flipped(maps, maps, [1, 0])
    return {
        f"{kernel.__module__}.{kernel.__name__}": len(kernel.signatures) for kernel in kernels()
    }


def test_kernels_are_compiled_for_two_float_types_at_most():
    versions = in_a_fresh_process(signatures_after_all_variants)
    assert len(versions) > 15
    assert sum(count > 0 for count in versions.values()) > 8
    assert {name: count for name, count in versions.items() if count > 2} == {}


def test_nothing_is_compiled_at_import():
    code = (
        "import importlib, sys\n"
        f"for name in {MODULES!r}:\n"
        "    module = importlib.import_module('posetrack.' + name)\n"
        "    for value in vars(module).values():\n"
        "        assert not getattr(value, 'signatures', None), value\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kernel_works_where_no_cache_can_be_written():
    namespace: dict = {}
    exec("def double(x):\n    return 2 * x\n", namespace)  # a function without a file
    assert compile_kernel(namespace["double"])(4) == 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_input_copies_only_what_it_must(dtype):
    array = np.zeros((3, 2), dtype)
    assert kernel_input(array, dtype) is array
    array.flags.writeable = False
    assert kernel_input(array, dtype) is not array
    assert kernel_input(array, dtype).flags.writeable
    assert kernel_input([[1, 2]], dtype).dtype == dtype
