"""``posetrack models``: which networks there are, their weights here, and any file converted."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

from posetrack.cli import models_convert
from posetrack.cli.network_options import DownloadBar
from posetrack.cli.options import add_option
from posetrack.weights import fetch, find_cached, weights_folder
from posetrack.weights.catalogue import MODELS, CatalogueEntry, find_entry
from posetrack.weights.hosts import host_of

KINDS = ("pose", "detector", "flow")


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Add ``models`` and its commands to the commands of ``posetrack``."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "models",
        help="list, download, find and convert the weights of networks",
        description="The networks that posetrack knows by name, and their weights on this machine.",
        epilog="Weights are kept in the platform's cache folder, or in $POSETRACK_HOME/weights. "
        "With POSETRACK_OFFLINE=1 nothing is ever downloaded.",
    )
    parser.set_defaults(run=run)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser(
        "list",
        help="show all models, and which of them are here",
        description="Show all models. Accuracy is as published, not measured by us.",
    )
    listing.add_argument("--kind", choices=KINDS, help="only models of this kind")
    listing.add_argument("--json", action="store_true", help="all that is known, as JSON")

    getting = actions.add_parser(
        "download",
        help="fetch weights now, for use without a connection later",
        description="Fetch weights, check their SHA-256 and keep them. A download that broke off "
        "goes on where it stopped. What is here already is not fetched again.",
    )
    getting.add_argument("names", nargs="*", metavar="NAME", help="models, as `list` shows them")
    getting.add_argument("--all", action="store_true", help="every model, or all of --kind")
    getting.add_argument("--kind", choices=KINDS, help="with --all: only models of this kind")
    add_option(
        getting,
        "weights.fetching:fetch",
        "timeout",
        "give up a silent connection after this long (default: %(default)g)",
        metavar="SECONDS",
    )

    finding = actions.add_parser(
        "path",
        help="print where a model's weights are",
        description="Print the path of a model's verified file; fails if it is not here.",
    )
    finding.add_argument("name", metavar="NAME", help="a model, as `list` shows it")
    checking = actions.add_parser(
        "check",
        help="ask which hosts answer, and which files have changed",
        description="Ask every host for the heads of its files, and look at the copies here; "
        "nothing is downloaded. Fails if a file has changed.",
    )
    checking.add_argument("names", nargs="*", metavar="NAME", help="models; all if none is given")
    checking.add_argument("--json", action="store_true", help="every file, as JSON")
    add_option(
        checking,
        "weights.checking:check_models",
        "timeout",
        "to wait for a host (default: %(default)g)",
        metavar="SECONDS",
    )
    models_convert.add_action(actions)
    return parser


def run(args: argparse.Namespace) -> int:
    """Do what was asked; 0 if it worked, 1 if not, 2 if it made no sense."""
    if args.action == "list":
        cards = [card for card in MODELS.values() if args.kind in (None, card.kind)]
        print(as_json(cards) if args.json else _as_table(cards))
        return 0
    if args.action == "path":
        return _print_path(args.name)
    if args.action == "check":
        return _check(args)
    if args.action == "convert":
        return models_convert.run(args)
    return _download(args)


def _as_table(cards: Sequence[CatalogueEntry]) -> str:
    """Models as lines of text, a column each for what one chooses by."""
    head = ("NAME", "KIND", "MB", "INPUT", "SKELETON", "ACCURACY", "LICENCE", "HERE")
    rows = [
        (
            card.name,
            card.kind,
            f"{card.size / 1e6:.0f}",
            "x".join(map(str, card.input_size)) if card.input_size else "any",
            card.skeleton or "-",
            card.accuracy,
            card.licence,
            "yes" if find_cached(card) else "no",
        )
        for card in cards
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(
            text.rjust(width) if column == 2 else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    return "\n".join(
        [
            *lines,
            "",
            f"INPUT is width x height. Weights are kept in {weights_folder()}",
            "Where only 8 digits of a file's SHA-256 are published they show integrity, not "
            "authenticity; the whole hash is remembered from the first download on.",
        ]
    )


def as_json(cards: Sequence[CatalogueEntry]) -> str:
    """Models as a JSON list of objects, one a model."""
    return json.dumps([_as_object(card) for card in cards], indent=2)


def _as_object(card: CatalogueEntry) -> dict[str, Any]:
    here = find_cached(card)
    return {
        "name": card.name,
        "kind": card.kind,
        "builder": card.builder,
        "depth": card.depth,
        "finds_boxes": card.finds_boxes,
        "size": card.size,
        "input_size": card.input_size,
        "skeleton": card.skeleton,
        "colour_order": card.colour_order,
        "mean": card.mean,
        "std": card.std,
        "licence": card.licence,
        "training_data": card.training_data,
        "accuracy": card.accuracy,
        "note": card.note,
        "bundled": card.bundled,
        "by_hand": card.by_hand,
        "files": [
            {"url": file.url, "sha256": file.sha256, "layout": file.layout} for file in card.files
        ],
        "path": None if here is None else str(here),
    }


def _print_path(name: str) -> int:
    path = find_cached(name)
    if path is None:
        print(
            f"posetrack: {name} is not in {weights_folder()}; "
            f"fetch it with `posetrack models download {name}`",
            file=sys.stderr,
        )
        return 1
    print(path)
    return 0


def _check(args: argparse.Namespace) -> int:
    from posetrack.weights.checking import check_models, find_changes

    cards = [find_entry(name) for name in args.names] or list(MODELS.values())
    checks = check_models(cards, timeout=args.timeout)
    changed = find_changes(cards)
    if args.json:
        rows = [dataclasses.asdict(check) for check in checks]
        print(json.dumps({"files": rows, "changed_here": [str(path) for path in changed]}))
    else:
        for host in dict.fromkeys(check.host for check in checks):
            of_host = [check for check in checks if check.host == host]
            silent = [check.reason for check in of_host if check.state == "no answer"]
            states = Counter(check.state for check in of_host)
            counts = ", ".join(f"{count} {state}" for state, count in states.items())
            print(f"{host}: {f'no answer, {silent[0]}' if silent else f'answers; files: {counts}'}")
        for check in checks:
            if check.state in ("changed", "not there"):
                print(f"{check.model}: {check.url}: {check.state} ({check.reason})")
        for path in changed:
            print(f"{path}: changed since it was brought here, or not what it should be")
    return 1 if changed or any(check.state == "changed" for check in checks) else 0


def as_markdown(cards: Sequence[CatalogueEntry]) -> str:
    """Models as a table for the docs: licence, training data and accuracy as published."""
    rows = [("name", "kind", "accuracy as published", "training data", "licence", "hosts")]
    rows += [
        (
            f"`{card.name}`",
            card.kind,
            card.accuracy,
            card.training_data,
            card.licence,
            ", ".join(dict.fromkeys(host_of(file.url) for file in card.files))
            or ("in the package" if card.bundled else "by hand"),
        )
        for card in cards
    ]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]])


def _download(args: argparse.Namespace) -> int:
    if args.all == bool(args.names) or (args.kind and not args.all):
        print(
            "posetrack models download: give names, or --all, which --kind narrows",
            file=sys.stderr,
        )
        return 2
    # All names are looked up first: a typing error should not show after the first long download.
    cards = [
        card
        for card in (MODELS.values() if args.all else map(find_entry, args.names))
        if args.kind in (None, card.kind)
    ]
    failed = 0
    for card in cards:
        try:
            with DownloadBar(card.name) as bar:
                path = fetch(card, progress=bar.show, timeout=args.timeout)
        except (ConnectionError, FileNotFoundError) as error:
            print(f"posetrack: {error}", file=sys.stderr)
            failed += 1
        else:
            print(path)
    if failed and len(cards) > 1:
        print(f"posetrack: {failed} of {len(cards)} models were not fetched", file=sys.stderr)
    return 1 if failed else 0
