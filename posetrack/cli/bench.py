"""``posetrack bench``: how fast networks are on videos, by stage, runtime and precision."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.checks import no_such
from posetrack.cli.input_checks import check_new_file, check_video
from posetrack.cli.network_options import (
    add_networks,
    build_detector,
    build_estimator,
    build_flow,
    check_networks,
    find_defaults,
)
from posetrack.cli.options import Parser, add_option, add_span
from posetrack.files import write_whole
from posetrack.runs.sources import expand_sources

if TYPE_CHECKING:
    from posetrack.runs.bench import Variant


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser: Parser = commands.add_parser(
        "bench",
        help="measure how fast networks are on your videos, stage by stage",
        description="Frames are read into memory and tracked --repeat times without drawing; for "
        "each stage the median and 95th percentile in ms and its share, people a second and peak "
        "memory, as a table and as JSON. With several runtimes or precisions, also how far their "
        "keypoints are from the first's. Drawing, writing and decoding are measured by themselves.",
    )
    parser.add_argument(
        "sources", nargs="+", metavar="VIDEO", help="a video, or a folder of videos or images"
    )
    add_option(parser, "runs.bench:run_bench", "repeat", "how often to track", metavar="N")
    parser.add_argument(
        "--runtimes",
        default="usual",
        metavar="LIST",
        help="of the pose network: usual (what track takes), torch, onnxruntime, openvino",
    )
    parser.add_argument(
        "--precisions",
        default="float32",
        metavar="LIST",
        help="of the pose network: float32, half, int8",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    add_span(parser, "runs.bench:load_clips")
    add_networks(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Load, measure each variant, and print; 1 where none could be measured."""
    from posetrack.runs import bench

    if arguments.repeat < 1:
        raise ValueError(f"--repeat must be at least 1, got {arguments.repeat}")
    if arguments.boxes is not None:
        raise ValueError("bench measures a detector, too; leave --boxes away")
    if arguments.precision is not None:
        raise ValueError("bench takes --precisions, a list; leave --precision away")
    runtimes = _read_names("--runtimes", arguments.runtimes, bench.RUNTIMES)
    precisions = _read_names("--precisions", arguments.precisions, bench.PRECISIONS)
    check_new_file(arguments.json)
    check_networks(arguments)
    sources = expand_sources(arguments.sources)
    for source in sources:
        check_video(source)
    clips = bench.load_clips(sources, start=arguments.start, stop=arguments.stop)
    build = _Builder(arguments)
    variants = [bench.Variant(one, other) for one in runtimes for other in precisions]
    seen: list[Any] | None = [] if len(variants) > 1 else None
    found = []
    for variant in variants:
        found.append(bench.run_bench(variant, build, clips, repeat=arguments.repeat, seen=seen))
        if problem := found[-1].problem:
            print(f"posetrack: {variant}: left out: {problem}", file=sys.stderr)
    if arguments.json is not None:
        document = {
            "videos": [clip.name for clip in clips],
            "frames": sum(len(clip.frames) for clip in clips),
            "repeat": arguments.repeat,
            "machine": bench.describe_machine(),
            "networks": build.names,
            "results": [one.as_object() for one in found],
        }
        text = json.dumps(document, indent=1, default=str).replace("NaN", "null")
        write_whole(arguments.json, text + "\n")
    if all(one.problem for one in found):
        return 1
    print(bench.table_of(found))
    return 0


def _read_names(option: str, text: str, names: tuple[str, ...]) -> list[str]:
    """The names of a list, each of which there must be."""
    given = [name.strip() for name in text.split(",") if name.strip()]
    for name in given:
        if name not in names:
            raise ValueError(f"{option}: {no_such('choice', name, names)}")
    if not given:
        raise ValueError(f"{option}: expected a list of {', '.join(names)}")
    return list(dict.fromkeys(given))


class _Builder:
    """Makes a tracker of a variant; networks are found once."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._defaults: dict[Any, Any] = {}
        self.names: dict[str, str] = {}

    def __call__(self, variant: Variant) -> Any:
        from posetrack.runs.networks import Makers, build_tracker

        arguments = self._arguments

        def find_once(*kinds: Any) -> Any:
            missing = [kind for kind in kinds if kind not in self._defaults]
            self._defaults |= find_defaults(arguments, *missing) if missing else {}
            return {kind: self._defaults[kind] for kind in kinds}

        make = Makers(
            detector=lambda _, default: build_detector(arguments, default),
            estimator=lambda _, default: build_estimator(arguments, default, **variant.settings()),
            flow=lambda _: build_flow(arguments),
            defaults=find_once,
        )
        tracker, weights = build_tracker(
            arguments.detector,
            arguments.estimator,
            arguments.flow,
            make,
            device=arguments.device,
        )
        self.names |= {kind: Path(str(path)).name for kind, path in weights.items()}
        return tracker
