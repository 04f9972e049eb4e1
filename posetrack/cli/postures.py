"""``posetrack postures``: train a classifier of postures, and apply it to stored tracks."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posetrack.cli.input_checks import check_files, check_new_file
from posetrack.cli.options import add_option, add_out

if TYPE_CHECKING:
    from posetrack.analysis import Trained


def add_parser(commands: Any) -> None:
    """Add the command with its two parts."""
    parser = commands.add_parser(
        "postures",
        help="train and apply a classifier of postures",
        description="Classify postures, such as sitting and standing, by the distances between "
        "keypoints: a support vector machine, trained on frames that you have labelled.",
    )
    parts = parser.add_subparsers(dest="part", metavar="PART", required=True)
    train = parts.add_parser("train", help="from tracks and labelled frames to a classifier")
    train.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="tracks and their labels in turn: a.parquet a.labels.csv b.parquet b.labels.csv; "
        "labels have the columns frame, id, label",
    )
    add_out(train, "postures.npz", "FILE.npz")
    train.add_argument("--keypoints", metavar="LIST", help="which count; all when not given")
    add_option(train, "analysis.posture_training:train_postures", "penalty", "C of the machine")
    train.set_defaults(run=_run_training)
    apply = parts.add_parser("apply", help="from tracks and a classifier to a table of postures")
    apply.add_argument("file", type=Path, metavar="FILE", help="tracks")
    apply.add_argument("--model", type=Path, required=True, metavar="FILE.npz", help="a classifier")
    apply.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.csv", help="a table")
    apply.set_defaults(run=_run_applying)


def _run_training(arguments: argparse.Namespace) -> int:
    """Read, train, print the accuracy, write."""
    from posetrack.analysis import read_labels, save_postures, train_postures
    from posetrack.trajectories import load

    files = arguments.files
    if len(files) % 2:
        raise ValueError("give tracks and labels in turn: a.parquet a.labels.csv ...")
    if arguments.out.suffix != ".npz":
        raise ValueError(f"--out {arguments.out}: expected a name that ends in .npz")
    if not arguments.penalty > 0:
        raise ValueError(f"--penalty must be more than 0, got {arguments.penalty}")
    check_files(*files)
    check_new_file(arguments.out)
    pairs = zip(files[::2], files[1::2], strict=True)
    examples = [(load(tracks), read_labels(labels)) for tracks, labels in pairs]
    listed = [name.strip() for name in (arguments.keypoints or "").split(",") if name.strip()]
    try:
        trained = train_postures(examples, keypoints=listed or None, penalty=arguments.penalty)
    except KeyError as error:
        raise ValueError(str(error.args[0])) from error
    save_postures(trained.classifier, arguments.out)
    _tell(trained)
    print(f"-> {arguments.out}")
    return 0


def _run_applying(arguments: argparse.Namespace) -> int:
    """Read, classify, write."""
    from posetrack.analysis import load_postures, postures_csv
    from posetrack.files import write_whole
    from posetrack.trajectories import load

    check_files(arguments.file, arguments.model)
    check_new_file(arguments.out)
    classifier = load_postures(arguments.model)
    trajectories = load(arguments.file)
    if arguments.out.resolve() == arguments.file.resolve():
        raise ValueError(f"{arguments.out} is what is read; give another --out")
    try:
        postures = classifier.apply(trajectories)
    except KeyError as error:
        raise ValueError(f"{arguments.model}: {error.args[0]}") from error
    write_whole(arguments.out, postures_csv(trajectories, postures))
    counts = {label: int((postures == label).sum()) for label in classifier.labels}
    print(", ".join(f"{label} {count}" for label, count in counts.items()), "->", arguments.out)
    return 0


def _tell(trained: Trained) -> None:
    labels = trained.classifier.labels
    if trained.folds < 2 or trained.accuracy != trained.accuracy:
        print("accuracy unknown: label at least two separate stretches of each posture")
        return
    print(f"accuracy {trained.accuracy:.3f} on stretches not seen, {trained.folds} parts")
    for label, row in zip(labels, trained.confusion.tolist(), strict=True):
        others = ", ".join(f"{other} {n}" for other, n in zip(labels, row, strict=True) if n)
        print(f"  {label}: classified as {others}")
