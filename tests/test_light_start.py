"""Nobody pays for what he does not use: ONNX networks run where there is no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="needs the extra posetrack[onnx]")

HEAVY = ("torch", "torchvision", "pandas")

BLOCKED = f"import sys; sys.modules.update(dict.fromkeys({HEAVY!r}))\n"


def without_heavy(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python where torch, torchvision and pandas cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


COMMAND = "from posetrack.cli import main; sys.exit(main(sys.argv[1:]))"


def test_what_is_blocked_is_blocked() -> None:
    assert "import of torch halted" in without_heavy("import torch").stderr


def test_a_video_is_tracked_with_two_onnx_networks(shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    done = without_heavy(
        COMMAND,
        "track",
        str(data / "videos" / "street.mp4"),
        *("--detector", str(data / "models" / "fastestdet_352.onnx")),
        *("--estimator", str(data / "models" / "simplepose_256x192.onnx")),
        *("--stop", "3", "--format", "csv,parquet,posetrack18,coco,audit", "-o", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    assert {file.suffix for file in tmp_path.iterdir()} >= {".csv", ".parquet", ".json", ".mp4"}


def test_what_two_onnx_networks_do_not_need_stays_unloaded_where_it_is_installed(
    shared: Path, tmp_path: Path
) -> None:
    names = (*HEAVY, "scipy.linalg", "matplotlib")
    code = f"""import sys; from posetrack.cli import main
assert main(sys.argv[1:]) == 0
print([name for name in {names!r} if name in sys.modules], file=sys.stderr)"""
    data = shared / "data"
    line = ["track", str(data / "videos" / "street.mp4"), "--stop", "1", "--no-overlay"]
    line += ["--detector", str(data / "models" / "fastestdet_352.onnx")]
    line += ["--estimator", str(data / "models" / "simplepose_256x192.onnx")]
    for _ in range(2):  # the second time, kernels are compiled
        done = subprocess.run(
            [sys.executable, "-c", code, *line, "-o", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


def test_a_video_is_tracked_with_the_bundled_networks(shared: Path, tmp_path: Path) -> None:
    done = without_heavy(
        COMMAND,
        "track",
        str(shared / "data" / "videos" / "street.mp4"),
        *("--detector", "bundled", "--estimator", "bundled", "--device", "cpu"),
        *("--stop", "3", "--no-overlay", "-o", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["net.pt2", "net.engine", "weights.pth"])
def test_what_needs_torch_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    code = "from posetrack.build import build_estimator; build_estimator(sys.argv[1])"
    done = without_heavy(code, str(tmp_path / name))
    assert f"{name} needs torch, which is not installed: pip install torch" in done.stderr
