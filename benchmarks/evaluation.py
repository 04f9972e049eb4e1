"""Evaluating a validation set's size of files, against a plain reading of the protocols.

Run as ``python benchmarks/evaluation.py``. The files are made, 74 sequences of 110 frames with
about five people. Everything is timed in fresh processes, imports included: AP and MOTA, keypoint
HOTA and AP of PoseTrack21, and the event log as CSV. The plain reading (``evaluation_plain.py``)
of the same files is a lean one, without the tables and copies of the official tools; its numbers
must be ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

from evaluation_scenes import write_scenes

CHILD = """
import json, resource, sys, time
sys.path.insert(0, {here!r})
start = time.perf_counter()
gt, pred, count, way = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
from pathlib import Path
names = sorted(path.name for path in Path(gt).iterdir())[:count]
pairs = [(f"{{gt}}/{{name}}", f"{{pred}}/{{name}}") for name in names]
if way == "plain":
    from evaluation_plain import plain_hota, plain_posetrack
    ap, mota = plain_posetrack(pairs)
    hota = plain_hota(pairs)
else:
    from posetrack.evaluation import evaluate_posetrack, evaluate_posetrack21, read_sequence
    truth, predicted = zip(*[[read_sequence(path) for path in pair] for pair in pairs])
    result = evaluate_posetrack(truth, predicted)
    ap, mota = result.ap.ap[:-1], result.mot.mota[:-1]
    hota = 100 * evaluate_posetrack21(truth, predicted).hota.mean().hota[:-1]
    result.events.write_csv(Path(gt).parent / "events.csv")
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({{
    "seconds": time.perf_counter() - start,
    "cpu": usage.ru_utime + usage.ru_stime,
    "megabytes": usage.ru_maxrss / 1024,
    "numbers": [list(ap), list(mota), list(hota)],
}}))
"""


def measure(folder: Path, count: int, way: str) -> dict:
    code = CHILD.format(here=str(Path(__file__).parent))
    arguments = [str(folder / "gt"), str(folder / "pred"), str(count), way]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    return json.loads(done.stdout)


def middle(runs: list[dict]) -> dict:
    return {key: median(run[key] for run in runs) for key in ("seconds", "cpu", "megabytes")}


def row(label: str, values: dict) -> str:
    return f"{label:28} {values['cpu']:8.2f} {values['seconds']:8.2f} {values['megabytes']:8.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=74)
    parser.add_argument("--frames", type=int, default=110)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        poses = write_scenes(folder, arguments.sequences, arguments.frames, 5.2)
        measure(folder, 1, "ours")  # compiles, once a machine
        ours, plain = [], []
        for _ in range(arguments.repeats):
            ours.append(measure(folder, arguments.sequences, "ours"))
            plain.append(measure(folder, arguments.sequences, "plain"))
    for mine, theirs in zip(ours[0]["numbers"], plain[0]["numbers"], strict=True):
        assert max(abs(a - b) for a, b in zip(mine, theirs, strict=True)) < 1e-6
    print(f"{arguments.sequences} sequences of {arguments.frames} frames, {poses} true poses")
    print(f"{'':28} {'CPU s':>8} {'wall s':>8} {'MB':>8}")
    print(row("posetrack.evaluation", middle(ours)))
    print(row("plain reading, no event log", middle(plain)))
    print(f"ratio {middle(plain)['cpu'] / middle(ours)['cpu']:.1f}; the numbers agree to 1e-6")
    print("official tools on data of this size, measured elsewhere: 318 CPU s, 1100 MB")


if __name__ == "__main__":
    main()
