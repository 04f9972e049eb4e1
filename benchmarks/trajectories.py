"""A million rows of trajectories: load, select a person, a time range, a keypoint, and save.

Run ``python benchmarks/trajectories.py``. Ten people of 17 keypoints in 100,000 frames, an hour at
25 frames a second. Each step runs in a process of its own, ours and pandas' in turn, so that the
peak of memory is that step's (imports included, and said); the median of the repeats counts, of
seconds on the clock and of the processor's, which other programs on the machine stretch less. What
pandas does is what one would write by hand: ``read_parquet`` of the same file, filter, and pivot
into an array (time, person, keypoint).
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

PEOPLE, FRAMES, RATE, REPEATS = 10, 100_000, 25.0, 3
START = """
import json, resource, sys, time
from pathlib import Path

path, out = Path(sys.argv[1]), Path(sys.argv[2])
"""
OURS = """
import numpy, pyarrow.parquet
from posetrack.trajectories import load, save, scan
"""
PANDAS = "import numpy, pyarrow.parquet, pandas\n"
PIVOT = """
def pivot(frame):
    points = [name[:-2] for name in frame if name.endswith("_x")]
    columns = [f"{point}_{part}" for point in points for part in ("x", "y", "score")]
    wide = frame.pivot(index="frame", columns="id", values=columns)
    people = frame["id"].nunique()
    return wide.to_numpy("float32").reshape(len(wide), len(columns) // 3, 3, people)
"""
STOP = """
seconds, worked = time.perf_counter() - start, time.process_time() - worked
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, worked, peak, baseline]))
"""
STEPS = {
    "load all": (
        "made = load(path)",
        "made = pivot(pandas.read_parquet(path))",
    ),
    "load one person": (
        "made = scan(path).select(ids=[4]).load()",
        "made = pivot(pandas.read_parquet(path, filters=[('id', '==', 4)]))",
    ),
    "load one minute": (
        "made = scan(path).select(seconds=(1800, 1860)).load()",
        "made = pivot(pandas.read_parquet(path, filters=[('seconds', '>=', 1800), "
        "('seconds', '<', 1860)]))",
    ),
    "load one keypoint": (
        "made = scan(path).select(keypoints=['left_knee']).load()",
        "made = pivot(pandas.read_parquet(path, columns=['frame', 'id', 'left_knee_x', "
        "'left_knee_y', 'left_knee_score']))",
    ),
    "load all and save": (
        "save(load(path), out)",
        "pandas.read_parquet(path).to_parquet(out, compression='zstd')",
    ),
}


def write_million(path: Path) -> None:
    """People who drift about, a twentieth of their keypoints unseen, as a run writes them."""
    import numpy as np

    from posetrack.formats import ParquetWriter
    from posetrack.skeletons import COCO_17
    from posetrack.structures import Poses, Tracks

    rng = np.random.default_rng(0)
    xy = rng.uniform(100, 900, (PEOPLE, 17, 2))
    made = []
    for _ in range(8000):  # more than a row group holds, so that nothing packs as a repetition
        xy = xy + rng.normal(0, 2, xy.shape)
        seen = rng.random(xy.shape[:2]) > 0.05
        places = np.where(seen[..., None], xy, np.nan)
        poses = Poses.from_keypoints(places, rng.uniform(0, 1, seen.shape), COCO_17)
        made.append(Tracks(poses, np.arange(PEOPLE) + 1))
    with ParquetWriter(path, COCO_17, rate=RATE) as sink:
        for index in range(FRAMES):
            sink.write(index, index / RATE, made[index % len(made)])


def timed(head: str, step: str, path: Path, out: Path) -> list[float]:
    """Seconds, those of the processor, peak memory and that before the step in MB."""
    before = "baseline = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
    clock = "start, worked = time.perf_counter(), time.process_time()\n"
    code = f"{START}{head}{before}{clock}{step}{STOP}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS)
    repeats = parser.parse_args().repeats
    names = ("numpy", "pyarrow", "pandas")
    try:
        versions = ", ".join(f"{name} {metadata.version(name)}" for name in names)
    except metadata.PackageNotFoundError:
        print("pandas is not installed: nothing to compare with")
        return
    print(f"python {platform.python_version()}, {versions}; {sys.platform}")
    heads = {"ours": OURS, "pandas": PANDAS + PIVOT}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.parquet"
        write_million(path)
        print(f"{PEOPLE} people, {FRAMES:,} frames, {path.stat().st_size / 1e6:.0f} MB of Parquet")
        columns = "".join(f"{name:>9}{'pandas':>9}{'ratio':>7}" for name in ("s", "CPU s", "MB"))
        print(f"\n{'':18}{columns}")
        for name, steps in STEPS.items():
            runs: dict[str, list[list[float]]] = {who: [] for who in heads}
            for _ in range(repeats):
                for (who, head), step in zip(heads.items(), steps, strict=True):
                    runs[who].append(timed(head, step, path, Path(folder) / f"{who}.parquet"))
            line = f"{name:18}"
            for number, digits in enumerate((2, 2, 0)):
                ours, theirs = (
                    statistics.median(run[number] for run in found) for found in runs.values()
                )
                line += f"{ours:9.{digits}f}{theirs:9.{digits}f}{ours / theirs:7.2f}"
            print(line, flush=True)
        first = [runs[who][0][3] for who in heads]
        print(f"\nof the memory, imports take {first[0]:.0f} MB (pandas {first[1]:.0f} MB)")


if __name__ == "__main__":
    main()
