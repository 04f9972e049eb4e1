"""``posetrack inspect``: pictures of training data, targets and predictions."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.checks import check_all_known
from posetrack.cli import training_options as shared
from posetrack.cli.input_checks import check_folder
from posetrack.cli.options import add_option
from posetrack.files import write_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posetrack.training import Samples
    from posetrack.training.inspection import Faults

WHAT = ("heatmaps", "targets", "worst", "augmentation")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``inspect`` to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "inspect",
        help="show what a pose network learns from and gets wrong",
        description="Draws grids of annotated people: a network's heatmaps over the crops, targets "
        "beside predictions, those it is most wrong about, and what augmentation makes of the "
        "crops. Without --weights, targets and augmentation alone.",
    )
    shared.add_data_options(parser)
    parser.add_argument("--weights", metavar="FILE|NAME", help="weights of any known kind")
    parser.add_argument(
        "--colours", choices=("bgr", "rgb"), help="order of the network's input, if it is known"
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE|FOLDER", help="where to draw")
    parser.add_argument(
        "--what", nargs="+", choices=WHAT, help="what to draw; a FILE takes one (default: all)"
    )
    parser.add_argument(
        "--keypoints", nargs="+", metavar="NAME", help="keypoints to show each by itself"
    )
    parser.add_argument("--count", type=int, default=6, metavar="N", help="people (default: 6)")
    add_option(
        parser,
        "training.inspection:worst_first",
        "by",
        "what ranks people as worst: mean distance by the person's size, OKS, or the heatmaps' "
        "loss",
        choices=("error", "oks", "loss"),
    )
    add_option(
        parser,
        "training.inspection:find_faults",
        "batch_size",
        "(default: %(default)s)",
        metavar="N",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the augmentation")
    shared.add_augmentation_options(parser)
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Draw; 0 when done."""
    shared.require(args, "data", "images", "annotations", "out")
    if args.count < 1:
        raise ValueError(f"--count must be at least 1, got {args.count}")
    wanted = _choose_pictures(args)
    shared.check_data(args)
    check_folder(args.out.parent if args.out.suffix.lower() in _PICTURES else args.out)
    skeleton = shared.find_skeleton(args.skeleton)
    people = shared.read_people(args.data, args.annotations, args.images, args, skeleton)
    print(shared.describe(people, args.annotations))
    keypoints = _keypoints(args.keypoints, people)
    pictures = {}
    if "augmentation" in wanted:
        pictures["augmentation"] = _augmentation(args, people)
    if set(wanted) - {"augmentation"}:
        pictures |= _of_network(args, people, keypoints, wanted)
    _write(args.out, pictures)
    return 0


def _choose_pictures(args: argparse.Namespace) -> tuple[str, ...]:
    possible = WHAT if args.weights is not None else ("targets", "augmentation")
    wanted = tuple(dict.fromkeys(args.what or possible))
    without = [name for name in wanted if name not in possible]
    if without:
        raise ValueError(f"{', '.join(without)}: needs a network; give --weights")
    if args.out.suffix.lower() in _PICTURES and len(wanted) > 1:
        raise ValueError(
            f"{args.out} is one picture: choose one with --what, or give a folder "
            f"for {', '.join(wanted)}"
        )
    return wanted


def _keypoints(names: Sequence[str] | None, people: Samples) -> list[int] | None:
    if names is None:
        return None
    skeleton = people.skeleton
    check_all_known("keypoint", names, skeleton.keypoints, has=f"{skeleton.name} has")
    return [people.skeleton.index(name) for name in names]


def _some(count: int, people: Samples) -> NDArray[np.intp]:
    """Indices of ``count`` people, spread evenly over all."""
    import numpy as np

    return np.unique(np.linspace(0, len(people) - 1, min(count, len(people))).astype(np.intp))


def _augmentation(args: argparse.Namespace, people: Samples) -> Any:
    from posetrack.cli.train_crops import augmentation
    from posetrack.plots.inspection import augmentation_grid
    from posetrack.training import CropDataset

    size = args.size or shared.usual_size(people.skeleton)
    plain = CropDataset(people, input_size=size, heatmap_size=(size[0] // 4, size[1] // 4))
    changed = CropDataset(
        people,
        input_size=size,
        heatmap_size=(size[0] // 4, size[1] // 4),
        augmentation=augmentation(args),
        seed=args.seed,
    )
    rows = []
    for index in _some(args.count, people).tolist():
        crops = [plain.view(0, index), *(changed.view(epoch, index) for epoch in range(1, 8))]
        rows.append((_name(people, index), crops))
    return augmentation_grid(rows, people.skeleton)


def _of_network(
    args: argparse.Namespace, people: Samples, keypoints: list[int] | None, wanted: Sequence[str]
) -> dict[str, Any]:
    from posetrack.plots.inspection import heatmap_grid, target_grid, worst_grid

    if args.weights is None:
        views = list(_views(args, people, _some(args.count, people), None))
        return {"targets": target_grid(views, people.skeleton, keypoints)}
    from posetrack.training.distributed import join
    from posetrack.training.inspection import find_faults, worst_first

    _, device = join(args.device)
    _, network, found = shared.open_weights(args, people)
    network.to(device).eval()
    given = (network, found.input_size, found.normalisation)
    pictures = {}
    if {"heatmaps", "targets"} & set(wanted):
        views = list(_views(args, people, _some(args.count, people), given))
    if "heatmaps" in wanted:
        pictures["heatmaps"] = heatmap_grid(views, people.skeleton, keypoints)
    if "targets" in wanted:
        pictures["targets"] = target_grid(views, people.skeleton, keypoints)
    if "worst" in wanted:
        faults = find_faults(
            network,
            people,
            input_size=found.input_size,
            normalisation=found.normalisation,
            batch_size=args.batch_size,
            workers=args.workers,
            flip_test=not args.no_flip_test,
        )
        order = worst_first(faults, args.by)
        views = list(_views(args, people, order[: args.count], given, faults))
        pictures["worst"] = worst_grid(views, people.skeleton)
        if args.out.suffix.lower() not in _PICTURES:
            _write_table(args.out / "worst.csv", people, faults, order)
    return pictures


def _views(
    args: argparse.Namespace,
    people: Samples,
    rows: NDArray[np.intp],
    given: tuple[Any, tuple[int, int], Any] | None,
    faults: Faults | None = None,
) -> Iterator[Any]:
    """Crops of some people with targets and, of a network, answers."""
    from posetrack.ops.heatmaps import decode_quarter
    from posetrack.plots.inspection import View
    from posetrack.training import CropDataset
    from posetrack.training.validation import answers

    some = people.of(rows)
    size = args.size or shared.usual_size(people.skeleton) if given is None else given[1]
    data = CropDataset(some, input_size=size, heatmap_size=(size[0] // 4, size[1] // 4))
    maps = None
    if given is not None:
        flip_test = not args.no_flip_test
        batches = list(
            answers(given[0], some, input_size=size, normalisation=given[2], flip_test=flip_test)
        )
        targets = [target for batch, _ in batches for target in batch.targets.numpy()]
        maps = [answer for _, part in batches for answer in part]
    else:
        targets = [data[0, i].targets[0].numpy() for i in range(len(some))]
    for i, row in enumerate(rows.tolist()):
        crop, xy = data.view(0, i)
        found = None
        if maps is not None:
            cells = decode_quarter(maps[i][None])[0][0]
            found = cells * (size[0] / maps[i].shape[2], size[1] / maps[i].shape[1])
        note = "" if faults is None else _note(faults, row)
        yield View(
            _name(people, row), crop, xy, targets[i], None if maps is None else maps[i], found, note
        )


def _name(people: Samples, row: int) -> str:
    return f"{people.images[row].stem} {people.names[row].removeprefix('annotation ')}"


def _note(faults: Faults, row: int) -> str:
    return f"err {faults.error[row]:.2f} OKS {faults.oks[row]:.2f} loss {faults.loss[row]:.1e}"


def _write_table(path: Path, people: Samples, faults: Faults, order: NDArray[np.intp]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(("rank", "name", "image", "error", "oks", "loss"))
    for rank, row in enumerate(order.tolist(), 1):
        numbers = (faults.error[row], faults.oks[row], faults.loss[row])
        name = people.names[row]
        writer.writerow((rank, name, people.images[row], *(f"{n:.6g}" for n in numbers)))
    write_whole(path, file.getvalue())


def _write(out: Path, pictures: dict[str, Any]) -> None:
    import cv2

    single = out.suffix.lower() in _PICTURES
    (out.parent if single else out).mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        path = out if single else out / f"{name}.png"
        if not cv2.imwrite(str(path), picture):
            raise OSError(f"{path}: cannot be written")
        print(f"wrote {path}", file=sys.stderr)
