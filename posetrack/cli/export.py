"""``posetrack export``: networks in the forms that other programs run, compared with the source."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import no_such
from posetrack.cli.input_checks import check_files, check_folder, check_video
from posetrack.cli.options import add_option
from posetrack.files import write_whole

FORMATS = ("onnx", "torch-export", "openvino", "tensorrt")


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "export",
        help="write a network as ONNX, torch.export, OpenVINO or TensorRT",
        description="Write a network in other formats, and compare each with its source on crops: "
        "a file whose keypoints drift too far is not kept. `posetrack track --estimator FILE` and "
        "load_estimator run every format.",
    )
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="weights of any known kind")
    parser.add_argument(
        "--to",
        nargs="+",
        type=_format_from,
        required=True,
        metavar="FORMAT",
        help=", ".join(FORMATS),
    )
    parser.add_argument("-o", "--out", type=Path, help="the file; of several forms, the folder")
    parser.add_argument("--half", action="store_true", help="weights in float16")
    parser.add_argument("--int8", action="store_true", help="8 bits, ONNX only; needs --calibrate")
    parser.add_argument("--calibrate", metavar="FOLDER|VIDEO", help="images to find ranges on")
    parser.add_argument(
        "--decode", action="store_true", help="give keypoints in crop pixels, not heatmaps"
    )
    parser.add_argument(
        "--flip-test",
        action="store_true",
        help="compare with flip test; with --decode it is put into the graph",
    )
    add_option(parser, "export.network_files:write_onnx", "opset", "of ONNX")
    _add_source(parser)
    _add_check(parser)
    parser.set_defaults(run=run)


def _format_from(text: str) -> str:
    if text == "torchscript":
        raise argparse.ArgumentTypeError(
            "TorchScript is no longer written: such programs can read and write files while they "
            "are being loaded; take torch-export (.pt2) or onnx"
        )
    if text not in FORMATS:
        raise argparse.ArgumentTypeError(no_such("form", text, FORMATS))
    return text


def _add_source(parser: argparse.ArgumentParser) -> None:
    from posetrack.cli.options import size_from

    group = parser.add_argument_group("what the checkpoint does not say itself")
    group.add_argument("--skeleton", metavar="NAME|FILE.toml", help="what its keypoints are")
    group.add_argument("--size", type=size_from, metavar="HEIGHTxWIDTH", help="its input size")


def _add_check(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("comparison with the source")
    group.add_argument(
        "--check", action=argparse.BooleanOptionalAction, default=True, help="compare"
    )
    group.add_argument("--images", metavar="FOLDER|VIDEO", help="where crops come from")
    group.add_argument(
        "--annotations",
        type=Path,
        metavar="FILE",
        help="COCO keypoints with people's boxes in --images; else OpenCV's people detector",
    )
    group.add_argument("--crops", type=int, default=32, metavar="N", help="at most this many")
    group.add_argument(
        "--max-drift",
        type=float,
        metavar="PIXELS",
        help="largest drift of a decided keypoint in pixels of the crop; 0.1 for float32, 1 for "
        "float16, 8 for int8",
    )
    compare = "export.comparison:check_forms"
    add_option(group, compare, "repeats", "of the timing", metavar="N")
    add_option(group, compare, "batch", "crops in a timed run", metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Write every form asked for; 0 if all are near enough to the source, else 1."""
    _refuse_nonsense(arguments)
    _check_names(arguments)
    from posetrack.checkpoints.conversion import describe
    from posetrack.checkpoints.loading import load_network, outputs_of
    from posetrack.cli.network_options import skeleton_from
    from posetrack.export.graphs import prepare

    skeleton = skeleton_from(arguments.skeleton) if arguments.skeleton else None
    network, found = load_network(
        arguments.checkpoint, skeleton=skeleton, input_size=arguments.size
    )
    card = describe(network, found, arguments.checkpoint)
    whole = outputs_of(network) != "heatmaps"
    if whole and arguments.int8:
        raise ValueError("8 bits are for networks that see crops")
    graph_flip = arguments.flip_test and arguments.decode
    ready, kept = prepare(
        network, card, half=arguments.half, decode=arguments.decode, flip_test=graph_flip
    )
    if arguments.int8:
        assert kept.outputs is not None
        kept = dataclasses.replace(
            kept, outputs=dataclasses.replace(kept.outputs, precision="int8")
        )
    crops, origin = _crops(arguments, card, arguments.images or arguments.calibrate)
    if arguments.check:
        print(origin)
    paths = {kind: _path(arguments, kind) for kind in arguments.to}
    for kind, path in paths.items():
        _write(kind, ready, kept, path, arguments, card)
        if not arguments.check:
            print(f"{path}: not compared with its source")
    return _check(arguments, network, kept, paths, crops, origin) if arguments.check else 0


def _refuse_nonsense(arguments: argparse.Namespace) -> None:
    if arguments.int8 and (arguments.half or set(arguments.to) != {"onnx"}):
        raise ValueError("--int8 is for --to onnx, and without --half")
    if arguments.int8 and not arguments.calibrate:
        raise ValueError("--int8 needs --calibrate FOLDER or VIDEO: images such as it will see")
    if arguments.calibrate and not arguments.int8:
        raise ValueError("--calibrate goes with --int8")
    if arguments.annotations and not (arguments.images and Path(arguments.images).is_dir()):
        raise ValueError("--annotations go with --images FOLDER, which their file names start from")
    if min(arguments.crops, arguments.repeats, arguments.batch) < 1:
        raise ValueError("--crops, --repeats and --batch must be at least 1")
    if arguments.max_drift is not None and not arguments.max_drift >= 0:
        raise ValueError(f"--max-drift must be at least 0, got {arguments.max_drift}")


def _check_names(arguments: argparse.Namespace) -> None:
    """Check files before torch and networks are loaded; find the checkpoint."""
    from posetrack.cli.network_options import skeleton_from
    from posetrack.cli.training_options import check_weights, init_file

    check_weights("CHECKPOINT", arguments.checkpoint)
    if arguments.skeleton:
        skeleton_from(arguments.skeleton)
    if arguments.annotations is None:
        check_video(arguments.images)
    check_files(arguments.annotations, arguments.images)
    check_video(arguments.calibrate)
    if not Path(arguments.checkpoint).exists():
        arguments.checkpoint = str(init_file(arguments.checkpoint, "estimator"))
        arguments.out = arguments.out or Path()  # not into the package or the cache
    out: Path = arguments.out or Path(arguments.checkpoint).parent
    alone = arguments.out is not None and len(arguments.to) == 1 and not out.is_dir()
    check_folder(out.parent if alone else out)


def _path(arguments: argparse.Namespace, kind: str) -> Path:
    from posetrack.export.network_files import SUFFIXES

    out: Path | None = arguments.out
    if out is not None and len(arguments.to) == 1:
        if not out.is_dir():
            expected = Path("x" + SUFFIXES[kind]).suffix
            if out.suffix != expected:
                raise ValueError(f"-o {out}: the name of a {kind} file ends in {expected}")
            return out
    elif out is not None and out.suffix and not out.is_dir():
        raise ValueError(f"-o {out}: of several forms give a folder")
    source = Path(arguments.checkpoint)
    words = [source.parent.name if source.name == "manifest.json" else source.stem]
    words += ["int8"] if arguments.int8 else ["fp16"] if arguments.half else []
    words += ["decoded"] if arguments.decode else []
    return (out or source.parent) / ("-".join(words) + SUFFIXES[kind])


def _write(
    kind: str,
    ready: Any,
    kept: Any,
    path: Path,
    arguments: argparse.Namespace,
    card: Any,
) -> None:
    from posetrack.export.network_files import WRITERS, write_int8_onnx, write_onnx

    if path.exists() and path.samefile(arguments.checkpoint):
        raise ValueError(f"{path} is the checkpoint itself; give another name with -o")
    if arguments.int8:
        batch, _ = _crops(arguments, card, arguments.calibrate)
        write_int8_onnx(ready, kept, path, batch, opset=arguments.opset)
    elif kind == "onnx":
        write_onnx(ready, kept, path, opset=arguments.opset)
    else:
        WRITERS[kind](ready, kept, path)


def _crops(
    arguments: argparse.Namespace, card: Any, images: str | None
) -> tuple[NDArray[np.float32], str]:
    """Normalised crops, and where they come from."""
    from posetrack.cli.crops_from import crops_of_annotations, crops_of_images, random_crops
    from posetrack.ops.crops import normalise

    whole = arguments.annotations if images == arguments.images else None
    if images is None:
        crops, origin = random_crops(card.input_size, arguments.crops)
    elif whole is not None:
        crops, origin = crops_of_annotations(whole, images, card.input_size, arguments.crops)
    else:
        crops, origin = crops_of_images(images, card.input_size, arguments.crops)
    return normalise(crops, card.normalisation), origin


def _check(
    arguments: argparse.Namespace,
    network: Any,
    card: Any,
    paths: dict[str, Path],
    crops: NDArray[np.float32],
    origin: str,
) -> int:
    """Compare and time all forms; a file that is too far off is deleted."""
    from posetrack.export.comparison import check_forms
    from posetrack.export.network_files import files_of

    rows = check_forms(
        network,
        card,
        paths,
        crops,
        flip_test=arguments.flip_test,
        max_drift=arguments.max_drift,
        repeats=arguments.repeats,
        batch=arguments.batch,
    )
    print(_table(rows))
    failed = 0
    for kind, path in paths.items():
        row = next(row for row in rows if row["form"] == kind)
        if row["problem"]:
            failed += 1
            for file in files_of(path):
                file.unlink(missing_ok=True)
            print(f"{path}: not kept: {row['problem']}")
            continue
        report = {"file": path.name, "crops": origin, "forms": rows}
        write_whole(path.with_name(path.name + ".report.json"), json.dumps(report, indent=2))
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 1 if failed else 0


_COLUMNS: Sequence[tuple[str, str, Callable[[Any], str]]] = (
    ("FORM", "form", str),
    ("PRECISION", "precision", str),
    ("MAPS", "heatmaps", lambda value: f"{value:.1e}"),
    ("OF PEAK", "heatmaps_relative", lambda value: f"{value:.1e}"),
    ("MEAN PX", "mean", lambda value: f"{value:.3f}"),
    ("MAX PX", "max", lambda value: f"{value:.2f}"),
    ("DECIDED", "max_decided", lambda value: f"{value:.2f}"),
    ("FLIP", "flip_test", lambda value: "yes" if value else "no"),
    ("MS/CROP", "ms_a_crop", lambda value: f"{value:.2f}"),
    ("OF TORCH", "of_torch", lambda value: f"{value:.2f}"),
)


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as lines of text; what was not measured is a dash."""
    lines = [[head for head, _, _ in _COLUMNS]]
    lines += [
        ["-" if row.get(key) is None else show(row[key]) for _, key, show in _COLUMNS]
        for row in rows
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_COLUMNS))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
