"""Mutated files through every reader: each gives a result or one clear error, never anything else.

    python benchmarks/fuzz.py [--count 100000] [--seed 0] [-o benchmarks/RESULTS/fuzz.md]

Small valid files are mutated (bits, bytes, pieces moved, numbers and words replaced) and read. An
input that reaches lines of posetrack that none before it reached is kept and mutated further. Every
kind runs in a process of its own with 4 GB of memory for it. A fault is an exception that is no
OSError, ValueError, RuntimeError or ImportError, an error that does not name the file, memory used
up, ten seconds passed, or a process that dies. Inputs of faults are kept in the folder `--keep`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import tomllib
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import cv2
import numpy as np
import scipy.io

import posetrack
from posetrack import COCO_17, Trajectories
from posetrack.analysis import read_rules
from posetrack.audit import MatchWriter, read_matches
from posetrack.audit.edits import parse_edits
from posetrack.checkpoints.weight_files import read_weights
from posetrack.cli.convert import ENDINGS, writer_of
from posetrack.files import read_text
from posetrack.formats.boxes import read_boxes
from posetrack.formats.mat import read_mat
from posetrack.runtimes import onnxruntime, openvino, torch_export
from posetrack.skeletons import read_skeleton
from posetrack.tracking.explanation import Explanation
from posetrack.trajectories import load
from posetrack.video import VideoWriter, open_video

PACKAGE = str(Path(posetrack.__file__).parent)
CLEAR = (OSError, ValueError, RuntimeError, ImportError)
WORDS = (
    b"0", b"-1", b"1e999", b"nan", b"null", b"true", b"{}", b"[]", b'""', b'"x"', b"[[1]]",
    b"18446744073709551616", b"1e-320", b"\xff\xfe", b"\x00", b'{"id":1}', b"1.5", b",", b"\n",
)  # fmt: skip
RULE = b"""[[rule]]
name = "on the seats"
when = "inside"
keypoints = ["feet"]
zone = [[0, 300], [640, 300], [640, 360]]
min_duration = 1.0
"""
XML = b"""<?xml version="1.0"?>
<net name="small" version="11">
  <layers>
    <layer id="0" name="image" type="Parameter" version="opset1">
      <data shape="1,3,8,8" element_type="f32"/>
      <output><port id="0" precision="FP32"><dim>1</dim><dim>3</dim></port></output>
    </layer>
    <layer id="1" name="weights" type="Const" version="opset1">
      <data element_type="f32" shape="3" offset="0" size="12"/>
      <output><port id="0" precision="FP32"><dim>3</dim></port></output>
    </layer>
  </layers>
  <edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/></edges>
</net>
"""
NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


class Kind(NamedTuple):
    """A kind of file: a valid one, what reads it, and what its first check is."""

    name: str
    valid: bytes
    read: Callable[[Path], object]
    passes: Callable[[bytes], bool]
    cost: int = 1
    """Of one input, beside most others'."""


def is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def is_toml(data: bytes) -> bool:
    try:
        tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        return False
    return True


def starts(valid: bytes, count: int) -> Callable[[bytes], bool]:
    return lambda data: data[:count] == valid[:count]


def read_table(path: Path) -> object:
    return load(path, rate=25.0, untracked=True)


def watch(path: Path) -> None:
    with open_video(path, prefetch=0) as video:
        for number, _ in enumerate(video):
            if number > 3:
                break


def kinds(folder: Path) -> list[Kind]:
    """Every kind, with files that are made now."""
    xy = np.random.default_rng(0).uniform(5, 60, (6, 2, 17, 2))
    made = Trajectories(
        range(6), np.arange(6) / 25, [3, 7], xy, np.full((6, 2, 17), 0.5), COCO_17,
        metadata={"image_size": (64, 48), "rate": 25.0},
    )  # fmt: skip
    options = argparse.Namespace(metres_per_pixel=None, skeleton=None)
    found = []
    for name in (
        *("csv", "parquet", "posetrack17", "posetrack18", "coco", "dlc", "mot"),
        *("dlc-h5", "sleap", "movement"),
    ):
        path = folder / f"a{ENDINGS[name]}"
        writer_of(name, options)(path, made)
        data = path.read_bytes()
        check = is_json if path.suffix == ".json" else starts(data, 4)
        read: Any = read_boxes if name == "mot" else read_table
        cost = 5 if name in ("dlc-h5", "sleap", "movement") else 1
        found.append(Kind(f"{name}{ENDINGS[name]}", data, read, check, cost))
        path.unlink()
    tomls = {
        "skeleton.toml": (COCO_17.to_toml().encode(), read_skeleton),
        "rules.toml": (RULE, read_rules),
    }  # fmt: skip
    found += [Kind(name, data, read, is_toml) for name, (data, read) in tomls.items()]
    edits = b"swap 3 5 from 12.4s\nmerge 7 into 3\nsplit 4 at 8.2s as 9\ndelete 6\n"
    found.append(Kind("edits.txt", edits, lambda p: parse_edits(read_text(p), str(p)), bool))
    image = np.random.default_rng(1).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    for ending in (".png", ".jpg", ".webp", ".tif", ".bmp"):
        data = cv2.imencode(ending, image)[1].tobytes()
        found.append(Kind(f"picture{ending}", data, watch, starts(data, 4), 5))
    with VideoWriter(folder / "a.mp4", rate=25) as video:
        for _ in range(6):
            video.write(image)
    data = (folder / "a.mp4").read_bytes()
    found.append(Kind("video.mp4", data, watch, starts(data, 8), 5))
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    data = len(header).to_bytes(8, "little") + header + bytes(16)
    found.append(Kind("weights.safetensors", data, read_weights, starts(data, 8)))
    found.append(Kind("weights.pth", b"PK\x03\x04" + bytes(60), read_weights, starts(data, 0)))
    MatchWriter(folder / "a.parquet", Explanation.empty).close()
    data = (folder / "a.parquet").read_bytes()
    found.append(Kind("matches.parquet", data, read_matches, starts(data, 4)))
    return found + networks(folder)


def networks(folder: Path) -> list[Kind]:
    """Exported networks, as far as each is looked at before a library of others opens it."""
    import onnx
    import torch

    nodes = [onnx.helper.make_node("Relu", ["image"], ["heatmaps"])]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 8, 8])
        for name in ("image", "heatmaps")
    ]
    graph = onnx.helper.make_graph(nodes, "small", ends[:1], ends[1:])
    opset = [onnx.helper.make_opsetid("", 17)]
    data = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    found = [Kind("network.onnx", data, onnxruntime.open_file, starts(data, 2), 5)]
    found.append(Kind("network.xml", XML, openvino.require_plain_xml, is_xml))
    path = folder / "a.pt2"
    example = (torch.zeros(1, 3, 4, 4),)
    program = torch.export.export(torch.nn.Conv2d(3, 1, 1).eval(), example)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # as the exporter does
    torch.export.save(program, path)
    data = path.read_bytes()
    found.append(Kind("network.pt2", data, torch_export.require_plain_program, starts(data, 4), 5))
    scipy.io.savemat(folder / "a.mat", {"pos_gt_src": np.ones((16, 2, 3)), "name": "a"})
    data = (folder / "a.mat").read_bytes()
    read: Any = lambda path: read_mat(path, ("pos_gt_src", "name"))  # noqa: E731
    found.append(Kind("truth.mat", data, read, starts(data, 128), 100))
    return found


def is_xml(data: bytes) -> bool:
    try:
        ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        return False
    return True


def mutated(data: bytes, draw: random.Random) -> bytes:
    """One to three changes."""
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        length = len(data)
        at = draw.randrange(length + 1)
        end = min(length, at + draw.choice((1, 1, 2, 4, 16, 64)))
        change = draw.randrange(7)
        if change <= 2 and (numbers := list(NUMBER.finditer(data[at : at + 4000]))):
            hit = draw.choice(numbers)
            first, last = at + hit.start(), at + hit.end()
            data = data[:first] + draw.choice(WORDS) + data[last:]
        elif change == 3:
            data = data[:at] + draw.choice(WORDS) + data[at:]
        elif change == 4:
            data = data[:at] + data[end:]
        elif change == 5 and at < length:
            data = data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
        else:
            place = draw.randrange(length + 1)
            data = data[:place] + data[at:end] + data[place:]
    return data


def fuzz(kind: Kind, count: int, seed: int, folder: Path) -> dict[str, Any]:
    """Read so many mutations of a kind; counts of what came."""
    draw = random.Random(f"{kind.name}{seed}")
    path = folder / kind.name
    kept, lines, seen = [kind.valid], set(), Counter[str]()
    faults: dict[str, str] = {}
    reached: set[tuple[str, int]] = set()

    def line(frame: Any, event: str, _: object) -> Any:
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def call(frame: Any, _: str, __: object) -> Any:
        return line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def late(*_: object) -> None:
        raise TimeoutError("ten seconds have passed")

    signal.signal(signal.SIGALRM, late)
    for number in range(count):
        data = kind.valid if number == 0 else mutated(draw.choice(kept), draw)
        path.write_bytes(data)
        seen["passed the first check"] += kind.passes(data)
        reached.clear()
        fault = ""
        signal.alarm(10)
        sys.settrace(call)
        try:
            kind.read(path)
            seen["read"] += 1
        except TimeoutError as error:
            fault = repr(error)
        except CLEAR as error:
            seen["clear error"] += 1
            if kind.name not in str(error):
                fault = f"the file is not named: {str(error)[:100]}"
        except BaseException as error:
            at = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {error}"[:160]
        finally:
            sys.settrace(None)
            signal.alarm(0)
        if fault:
            key = re.sub(r"\d+", "#", fault)[:60]
            seen["fault"] += 1
            if key not in faults:
                faults[key] = fault
                (folder / f"fault-{len(faults)}-{kind.name}").write_bytes(data)
        if not reached <= lines:
            lines |= reached
            if len(data) < 3 * len(kind.valid) + 1000:
                kept.append(data)
    return {**seen, "inputs": count, "kept": len(kept), "lines": len(lines), "faults": faults}


def in_process(kind: Kind, count: int, seed: int, folder: Path) -> dict[str, Any]:
    """`fuzz` in a process that may die."""
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        try:
            mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (mapped + (4 << 30),) * 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # decoders speak of every broken bit
            warnings.simplefilter("ignore")
            result.write_text(json.dumps(fuzz(kind, count, seed, folder)))
        finally:
            os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status or not result.exists():
        died = f"the process ended with {status}; its input is in {kind.name}"
        return {"inputs": 0, "faults": {"died": died}, "fault": 1}
    return dict(json.loads(result.read_text()))


def main() -> int:
    """Fuzz every kind, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for inputs that made faults")
    parser.add_argument("--only", nargs="+", metavar="KIND", help="of these kinds alone")
    parser.add_argument("-o", "--out", type=Path)
    options = parser.parse_args()
    begun = time.process_time()
    folder = options.keep or Path(tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    every = [kind for kind in kinds(folder) if not options.only or kind.name in options.only]
    heads = ("inputs", "passed the first check", "read", "clear error", "fault", "kept", "lines")
    text = ["# Mutated files through every reader", ""]
    text += [f"`python benchmarks/fuzz.py --count {options.count} --seed {options.seed}`", ""]
    text += [f"| kind | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    total: Counter[str] = Counter()
    faults = []
    for kind in every:
        # What costs more an input gets as much less of the share.
        share = options.count / sum(1 / one.cost for one in every)
        count = max(1, round(share / kind.cost))
        row = in_process(kind, count, options.seed, folder)
        text.append(f"| {kind.name} | {' | '.join(str(row.get(head, 0)) for head in heads)} |")
        print(text[-1], flush=True)
        total.update({head: row.get(head, 0) for head in heads})
        faults += [f"* {kind.name}: {fault}" for fault in row["faults"].values()]
    text.append(f"| all | {' | '.join(str(total[head]) for head in heads)} |")
    text += ["", "Faults: " + ("none." if not faults else ""), *faults, ""]
    print("\n".join(text[-len(faults) - 4 :]))
    if options.out is not None:
        options.out.write_text("\n".join(text))
    print(f"{time.process_time() - begun:.0f} s in the parent", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
