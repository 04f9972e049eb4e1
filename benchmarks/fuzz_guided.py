"""Readers of text, tables and headers under atheris, which follows each branch of an input.

    python -m pip install atheris                     # for Python 3.11 to 3.13, Linux and macOS
    python benchmarks/fuzz_guided.py KIND [--inputs 20000] [--seed 1]
    python benchmarks/fuzz_guided.py                  # which kinds there are

The kinds, and what is a fault, are those of ``fuzz.py``; its inputs come from the lines that are
reached, these from branches and from the values that are compared. The first fault ends the run
with its input in ``--keep``. Each kind runs in a process of its own: the library ends it.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["posetrack"], enable_loader_override=False):
    import fuzz

FOLLOWED = (
    "csv.csv", "posetrack17.pt17.json", "posetrack18.json", "coco.coco.json", "dlc.dlc.csv",
    "mot.mot.txt", "skeleton.toml", "rules.toml", "edits.txt", "weights.safetensors",
    "weights.pth", "network.xml", "network.onnx", "video.mp4", "picture.png",
)  # fmt: skip


def main() -> None:
    """Read inputs of one kind until one makes a fault, or there were so many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", nargs="?", choices=FOLLOWED)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the input of a fault")
    options = parser.parse_args()
    if options.kind is None:
        print(*FOLLOWED)
        return
    folder = options.keep or Path(tempfile.mkdtemp())
    corpus = folder / f"{options.kind}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    kind = next(one for one in fuzz.kinds(folder) if one.name == options.kind)
    (corpus / "valid").write_bytes(kind.valid)
    path = folder / kind.name
    counted: Counter[str] = Counter()
    warnings.simplefilter("ignore")
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + (4 << 30),) * 2)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        counted["inputs"] += 1
        counted["passed the first check"] += kind.passes(data)
        try:
            kind.read(path)
            counted["read"] += 1
        except fuzz.CLEAR as error:
            counted["clear error"] += 1
            if kind.name not in str(error):
                raise AssertionError(f"the file is not named: {error}") from error
        if counted["inputs"] == options.inputs:
            print(f"| {kind.name} | " + " | ".join(
                str(counted[head])
                for head in ("inputs", "passed the first check", "read", "clear error")
            ) + " |", flush=True)  # fmt: skip
            os._exit(0)

    def change(data: bytes, most: int, seed: int) -> bytes:
        """Three times in four numbers and words of a format, else what the library changes."""
        if seed % 4:
            return fuzz.mutated(data, random.Random(seed))[:most]
        return bytes(atheris.Mutate(data, most))

    words = [sys.argv[0], f"-seed={options.seed}", "-timeout=300", "-rss_limit_mb=6000"]
    words += [f"-artifact_prefix={folder}/fault-{kind.name}-", "-verbosity=0", str(corpus)]
    atheris.Setup(words, read, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
