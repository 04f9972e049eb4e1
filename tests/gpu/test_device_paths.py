"""Every path of a device beside the CPU's: on a GPU where there is one, and on the CPU, smaller.

The checks are those of ``benchmarks/gpu.py``; on a machine with a card: ``pytest tests/gpu``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
if not (BENCHMARKS / "gpu_checks.py").is_file():
    pytest.skip("not a checkout", allow_module_level=True)
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(BENCHMARKS))
    import gpu_checks

    sys.modules.pop("gpu_checks")


def wrong(device: str, title: str, *, small: bool) -> list[str]:
    """What a check found to be further away than it may be."""
    at = gpu_checks.setting(device, gpu_checks.read_pictures(), small=small)
    found = list(gpu_checks.CHECKS[title](at))
    assert found, f"{title} measured nothing"
    return [
        f"{row.name}: {row.measured} {row.unit}, limit {row.limit}"
        for row in found
        if not row.right
    ]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here")
@pytest.mark.parametrize("title", gpu_checks.CHECKS)
def test_a_gpu_answers_as_the_cpu_does(title: str) -> None:
    assert wrong("cuda", title, small=False) == []


@pytest.mark.parametrize("title", gpu_checks.CHECKS)
def test_the_path_of_a_device_answers_on_the_cpu_as_that_of_the_host(title: str) -> None:
    assert wrong("cpu", title, small=True) == []


def test_what_is_not_a_number_is_not_right() -> None:
    assert not gpu_checks.Check("a network that overflowed", float("nan"), 1.0).right
    assert not gpu_checks.Check("too far", 2.0, 1.0).right
    assert gpu_checks.Check("near", 1.0, 1.0).right


def test_networks_that_differ_are_seen_to_differ() -> None:
    torch.manual_seed(0)
    one = torch.randn(100)
    assert gpu_checks.difference(one * 1.01, one) == pytest.approx(0.01, rel=1e-3)
