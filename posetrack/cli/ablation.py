"""``posetrack ablation``: what each step of the tracker is worth, on rendered scenes."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from posetrack.checks import check_all_known
from posetrack.cli.options import add_out, scene_size_from


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "ablation",
        help="measure what each step of the tracker is worth",
        description="Run trackers with different settings over rendered scenes in which everything "
        "is known, with a detector and an estimator that make mistakes at given rates, and with "
        "the networks of the package where it has them. Writes ablation.csv, ablation.md and "
        "ablation.png. All of it takes some five minutes of processor time, --quick one.",
    )
    add_out(parser, "ablation", "folder for the results")
    parser.add_argument("--quick", action="store_true", help="four short scenes, one seed")
    parser.add_argument("--seeds", type=int, help="how many times each scene (default: 3)")
    parser.add_argument("--frames", type=int, help="length of the scenes (default: their own)")
    parser.add_argument("--size", type=scene_size_from, metavar="WxH",
                        help="width and height of the pictures (default: 320x180)")  # fmt: skip
    parser.add_argument("--scenes", nargs="+", metavar="NAME", help="only these")
    parser.add_argument("--blocks", nargs="+", metavar="NAME",
                        help="only these: steps, similarity, plain, matching, flow, every, misses, "
                        "networks")  # fmt: skip
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Render, track, score, write."""
    from tqdm import tqdm

    from posetrack.cli.input_checks import check_folder
    from posetrack.world.ablation import (
        BLOCKS,
        NETWORK_STEPS,
        QUICK,
        WORLDS,
        run_ablation,
    )
    from posetrack.world.ablation.findings import NOTES, write_tables

    check_folder(arguments.out)
    quick = arguments.quick
    worlds = _choose(arguments.scenes, QUICK if quick else WORLDS, "scene", fewer=quick)
    blocks = _choose(arguments.blocks, (*BLOCKS, NETWORK_STEPS), "block")
    seeds = (1 if quick else 3) if arguments.seeds is None else arguments.seeds
    if seeds < 1 or (arguments.frames is not None and arguments.frames < 2):
        raise ValueError("--seeds must be at least 1, and --frames at least 2")
    if arguments.frames is not None:
        worlds = [world.shorten(frames=arguments.frames) for world in worlds]
    size = arguments.size or (320, 180)
    networks, notes = _networks() if NETWORK_STEPS in blocks else (None, [])
    with tqdm(total=len(worlds) * seeds, unit="scene") as bar:
        rows = run_ablation(
            blocks, worlds, seeds=range(seeds), size=size, networks=networks,
            report=lambda _: bar.update(1),
        )  # fmt: skip
    if not rows:
        raise ValueError("nothing was run: the chosen blocks do not look at the chosen scenes")
    intro = (
        f"Rendered scenes of {size[0]}x{size[1]} pixels: "
        f"{', '.join(world.name for world in worlds)}; seeds 0 to {seeds - 1}."
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    paths = write_tables(arguments.out, rows, blocks, intro=intro, notes=[*notes, *NOTES])
    print(paths[-1].read_text(encoding="utf-8"))
    paths += _plot(rows, blocks, arguments.out / "ablation.png")
    print("\n".join(f"wrote {path}" for path in paths))
    return 0


def _choose(names: list[str] | None, known: Any, what: str, *, fewer: bool = False) -> list[Any]:
    by_name = {item.name: item for item in known}
    has = "--quick has" if fewer else "there are"
    check_all_known(what, names or (), by_name, has=has)
    return [item for name, item in by_name.items() if names is None or name in names]


def _networks() -> tuple[Any, list[str]]:
    """The two in the package, and what to say where they are not."""
    from posetrack.build import bundled_detector, bundled_estimator

    try:
        return (bundled_detector("cpu"), bundled_estimator("cpu")), []
    except FileNotFoundError:
        return None, ["Without networks: this copy of the package has none in it."]
    except ModuleNotFoundError as error:
        return None, [f"Without networks: {error}."]


def _plot(rows: Any, blocks: Any, path: Path) -> list[Path]:
    from posetrack.world.ablation.findings import plot_ablation

    try:
        plot_ablation(rows, blocks, path)
    except ModuleNotFoundError as error:
        print(f"no picture: {error}")
        return []
    return [path]
