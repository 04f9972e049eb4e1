"""What a run with two ONNX networks costs before it tracks, beside what importing torch costs.

Run ``python benchmarks/start.py VIDEO DETECTOR.onnx ESTIMATOR.onnx``. Seconds are the processor's,
user and system, so that a busy machine is busy for all; memory is the process's largest. The cache
is a new one, so the first run compiles the kernels.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def measure(*command: str, home: Path) -> tuple[float, float]:
    """Processor seconds and largest megabytes of a Python process."""
    environment = os.environ | {"POSETRACK_HOME": str(home)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed has its bytecode
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main(video: str, detector: str, estimator: str) -> None:
    """Print each as a ratio to ``import torch``."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        track = ["-m", "posetrack", "track", video, "--detector", detector]
        track += ["--estimator", estimator, "--no-overlay", "--out", str(home / "out")]
        runs = {
            "import torch": ["-c", "import torch"],
            "one frame, kernels compiled": [*track, "--stop", "1"],
            "one frame, kernels cached": [*track, "--stop", "1"],
            "the whole video": track,
        }
        torch = None
        for name, command in runs.items():
            seconds, megabytes = measure(*command, home=home)
            torch = torch or seconds
            print(f"{name:30} {seconds:6.1f} s  {seconds / torch:5.2f} x  {megabytes:6.0f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
