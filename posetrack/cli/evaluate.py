"""``posetrack eval``: the numbers of a benchmark, for one run or several side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from posetrack.cli.input_checks import check_files, check_folder
from posetrack.cli.options import add_option, add_out, default_of
from posetrack.files import legal_name, write_whole


class Protocol(NamedTuple):
    """One protocol of the command line; its function as ``module:name`` below the package."""

    function: str
    help: str
    options: tuple[str, ...]
    has_events: bool = False


PROTOCOLS: dict[str, Protocol] = {
    "posetrack17": Protocol(
        "evaluation.posetrack:evaluate_posetrack",
        "AP and MOTA per keypoint (files of 2017 or 2018)",
        ("tracking", "drop_last_frame", "placeholder_frames", "textbook_motp", "map_keypoints"),
        has_events=True,
    ),
    "posetrack18": Protocol(
        "evaluation.posetrack:evaluate_posetrack",
        "AP and MOTA per keypoint (files of 2017 or 2018); the same as posetrack17",
        ("tracking", "drop_last_frame", "placeholder_frames", "textbook_motp", "map_keypoints"),
        has_events=True,
    ),
    "posetrack21": Protocol(
        "evaluation.posetrack21:evaluate_posetrack21",
        "keypoint HOTA and AP",
        ("per_frame_misses", "truncate_scores"),
    ),
    "posetrack21-boxes": Protocol(
        "evaluation.boxes21:evaluate_posetrack21_boxes",
        "HOTA, MOTA and IDF1 of boxes (MOT text files)",
        (),
    ),
    "poses": Protocol(
        "evaluation.whole_poses:evaluate_poses",
        "MOTA, IDF1 and HOTA of whole people by OKS (PoseTrack files)",
        ("min_oks",),
        has_events=True,
    ),
    "coco": Protocol("evaluation.coco:evaluate_coco", "AP and AR by OKS", ("like_xtcocotools",)),
    "mpii": Protocol(
        "evaluation.mpii:evaluate_mpii", "PCKh", ("heads", "first_pixel", "true_tenth")
    ),
}

_HELP = {
    "tracking": "compute MOTA, too",
    "drop_last_frame": "leave the last labelled frame of a sequence out of tracking, as officially",
    "placeholder_frames": "count a frame without people on one side as one miss and one false "
    "positive of each keypoint, as officially",
    "textbook_motp": "MOTP as it is defined, not as the official evaluator adds it up",
    "map_keypoints": "accept predictions with other keypoints and take those of the same name",
    "per_frame_misses": "in frames without predictions miss that frame's keypoints only; "
    "officially those of the whole sequence",
    "truncate_scores": "cut scores to whole numbers where all keypoints are, as officially",
    "min_oks": "smallest OKS at which a prediction may be a person",
    "like_xtcocotools": "what mmpose's evaluator does differently",
    "heads": "gt_valid.mat with the head boxes, for annotations without",
    "first_pixel": "coordinate of the first pixel in the predictions, 0 or 1",
    "true_tenth": "Mean@0.1 at 0.10 head sizes; the authors' is at 0.11",
}


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``eval`` and its protocols to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "eval",
        help="evaluate predictions",
        description="Evaluate predictions as the official tools do. Prints tables and writes "
        "metrics.json; what an option turns off is officially on.",
    )
    protocols = parser.add_subparsers(dest="protocol", metavar="PROTOCOL", required=True)
    for name, protocol in PROTOCOLS.items():
        one = protocols.add_parser(
            name,
            help=protocol.help,
            description=protocol.help,
        )
        one.add_argument("--gt", type=Path, required=True, help="annotations: a folder or a file")
        one.add_argument(
            "--pred",
            type=Path,
            required=True,
            action="append",
            help="predictions: a folder or a file; give it again to compare runs",
        )
        add_out(one, "", "folder for metrics.json")
        one.add_argument(
            "--format", choices=("text", "markdown", "latex"), default="text", help="of the tables"
        )
        one.add_argument("--per-sequence", action="store_true", help="print every sequence, too")
        one.add_argument("--per-keypoint", action="store_true", help="print every keypoint, too")
        if protocol.has_events:
            _add_event_options(one)
        _add_options(one, protocol)
    parser.set_defaults(run=run)
    return parser


def _add_event_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--events",
        action="store_true",
        help="write events.csv: every switch, miss, false positive and fragmentation",
    )
    parser.add_argument(
        "--plot",
        action="store_true",
        help="draw timelines: a row for each true person, coloured by predicted id",
    )


def _add_options(parser: argparse.ArgumentParser, protocol: Protocol) -> None:
    """Flags for the function's own arguments, with its defaults."""
    for name in protocol.options:
        kind: dict[str, Any] = {"metavar": "X"}
        if isinstance(default_of(protocol.function, name), bool):
            kind = {"action": argparse.BooleanOptionalAction}
        add_option(parser, protocol.function, name, _HELP[name], **kind)


def _function(protocol: Protocol) -> Callable[..., Any]:
    module, _, name = protocol.function.partition(":")
    function: Callable[..., Any] = getattr(import_module(f"posetrack.{module}"), name)
    return function


def run(arguments: argparse.Namespace) -> int:
    """Evaluate every run, print the tables and write the files."""
    from posetrack.evaluation.score_tables import metrics_json

    check_files(arguments.gt, *arguments.pred, getattr(arguments, "heads", None))
    check_folder(arguments.out)
    protocol = PROTOCOLS[arguments.protocol]
    settings = {name: getattr(arguments, name) for name in protocol.options}
    names = _run_names(arguments.pred)
    results = {
        name: _function(protocol)(arguments.gt, path, **settings)
        for name, path in zip(names, arguments.pred, strict=True)
    }
    _print_tables(arguments, results)
    for name, result in results.items():
        for note in getattr(result, "notes", ()):
            print(f"posetrack: {name}: {note}", file=sys.stderr)
    arguments.out.mkdir(parents=True, exist_ok=True)
    asked = {**settings, "gt": arguments.gt, "pred": arguments.pred}
    content = metrics_json(arguments.protocol, results, settings=asked)
    write_whole(arguments.out / "metrics.json", json.dumps(content, allow_nan=False, indent=1))
    if protocol.has_events:
        _write_events(arguments, results)
    return 0


def _print_tables(arguments: argparse.Namespace, results: dict[str, Any]) -> None:
    from posetrack.evaluation import score_tables

    wanted = [("", table) for table in score_tables.tables(results)]
    for name, result in results.items():
        prefix = f"{name}: " if len(results) > 1 else ""
        if arguments.per_keypoint:
            wanted += [(prefix, table) for table in score_tables.keypoint_tables(result)]
        if arguments.per_sequence:
            wanted += [(prefix, table) for table in score_tables.sequence_tables(result)]
    for prefix, table in wanted:
        titled = score_tables.Table(prefix + table.title, table.rows)
        print(getattr(titled, arguments.format)())
        print()


def _run_names(paths: Sequence[Path]) -> list[str]:
    """Names of runs: the last part of their paths, or as much of the path as distinguishes them.

    Examples
    --------
    >>> _run_names([Path("a/results"), Path("b/results")])
    ['a/results', 'b/results']
    >>> _run_names([Path("a/results"), Path("b/ours.json")])
    ['results', 'ours']
    """
    names = [path.resolve().name.split(".json")[0] for path in paths]
    if len(set(names)) == len(names):
        return names
    names = ["/".join(path.resolve().parts[-2:]) for path in paths]
    if len(set(names)) == len(names):
        return names
    return [f"{i + 1}: {path}" for i, path in enumerate(paths)]


def _write_events(arguments: argparse.Namespace, results: dict[str, Any]) -> None:
    for i, result in enumerate(results.values()):
        if result.events is None:
            continue
        suffix = "" if len(results) == 1 else f"-{i + 1}"
        if arguments.events:
            path = arguments.out / f"events{suffix}.csv"
            count = result.events.write_csv(path)
            print(f"{path}: {count} events")
        if arguments.plot:
            from posetrack.plots import plot_timeline

            folder = arguments.out / f"timelines{suffix}"
            folder.mkdir(exist_ok=True)
            given: list[str] = []
            for sequence in result.events.sequences:
                given.append(legal_name(sequence, given))
                plot_timeline(result.events, sequence, folder / f"{given[-1]}.png")
            print(f"{folder}: {len(result.events.sequences)} timelines")
