"""``posetrack curves``: loss and accuracy of training runs against the epoch."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from pathlib import Path
from typing import Any

from posetrack.cli.input_checks import check_files, check_new_file
from posetrack.files import write_whole


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``curves`` to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "curves",
        help="draw the curves of training runs",
        description="Draws loss, learning rate and accuracy of training runs against the epoch, "
        "several runs side by side, from their log.csv.",
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="picture to write: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--names", nargs="+", metavar="NAME", help="what to call the runs (default: their folders)"
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        metavar="NAME",
        help="columns of the logs to draw (default: loss, learning_rate, AP and PCK)",
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write the best epoch of each run as a table"
    )
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Draw, and print the best epochs; 0 when done."""
    check_files(*args.runs)
    check_new_file(args.out, (".png", ".svg", ".pdf"))
    check_new_file(args.csv)
    from posetrack.plots import best_epochs, plot_curves, read_runs

    runs = read_runs(args.runs, args.names)
    if args.out is not None:
        plot_curves(runs, args.out, columns=args.columns)
    rows = best_epochs(runs)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if args.csv is not None:
        file = io.StringIO(newline="")
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(args.csv, file.getvalue())
    for row in rows:
        by = row["by"]
        print(f"{row['run']}: best of {row['epochs']} epochs is {row['epoch']}, {by} {row[by]:.6g}")
    for path in (args.out, args.csv):
        if path is not None:
            print(f"wrote {path}", file=sys.stderr)
    return 0
