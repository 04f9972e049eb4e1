"""``posetrack synth``: render scenes with exact truth, and pictures to train networks on."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from posetrack.cli.options import add_option, add_out, scene_size_from

TRAIN, SHEET = "train", "sheet"
SCENES = (
    "crossing", "behind_pole", "entering_leaving", "coming_back", "crowd", "same_clothes",
    "fast_motion", "low_frame_rate", "camera_pan", "detector_gaps", "squats", "jumping_jacks",
    "falling", "street",
)  # fmt: skip


def add_parser(commands: Any) -> None:
    """Add the command and its options."""
    parser = commands.add_parser(
        "synth",
        help="render scenes with exact truth, or pictures to train on",
        description="Render people about whom everything is known. A scene gives a video (or "
        "images), PoseTrack18 and COCO JSON, MOT Challenge text and optical flow; 'train' gives "
        "independent pictures and one COCO file; 'sheet' one picture of many people and scenes.",
    )
    parser.add_argument("name", choices=(*SCENES, TRAIN, SHEET), metavar="NAME",
                        help=f"a scene ({', '.join(SCENES)}), {TRAIN} or {SHEET}")  # fmt: skip
    add_out(parser, "data")
    parser.add_argument("--frames", type=int, help="how many frames or pictures")
    parser.add_argument(
        "--people", type=int, help="how many people; the most in a picture for 'train'"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws everything (default: 0)")
    parser.add_argument(
        "--size",
        type=scene_size_from,
        metavar="WxH",
        help="width and height in pixels, such as 640x360",
    )
    parser.add_argument("--rate", type=float, help="frames a second of a scene")
    parser.add_argument("--images", action="store_true", help="JPEG files instead of a video")
    parser.add_argument("--no-flow", action="store_true", help="write no flow files")
    add_option(parser, "world.scene_files:write_scene", "quality", "of JPEG files, 1 to 100")
    add_option(
        parser, "world.training_files:write_training_files", "processes", "that render 'train'"
    )
    parser.add_argument(
        "--backgrounds",
        type=Path,
        metavar="FOLDER",
        help="photographs without people, to stand behind those of 'train'",
    )
    parser.set_defaults(run=run)


def scene_of(name: str, **settings: Any) -> Any:
    """A named scene; settings that are None take the scene's defaults."""
    from posetrack.world import exercises, scenes

    makers = {
        "crossing": scenes.crossing,
        "behind_pole": scenes.behind_pole,
        "entering_leaving": scenes.entering_leaving,
        "coming_back": scenes.coming_back,
        "crowd": scenes.crowd,
        "same_clothes": scenes.same_clothes,
        "fast_motion": scenes.fast_motion,
        "low_frame_rate": scenes.low_frame_rate,
        "camera_pan": scenes.camera_pan,
        "detector_gaps": scenes.detector_gaps,
        "squats": exercises.squats,
        "jumping_jacks": exercises.jumping_jacks,
        "falling": exercises.falling,
        "street": scenes.street,
    }
    return makers[name](**{key: value for key, value in settings.items() if value is not None})


def run(arguments: argparse.Namespace) -> int:
    """Render what was asked for."""
    from posetrack.cli.input_checks import check_files, check_folder

    check_folder(arguments.out)
    if arguments.frames is not None and arguments.frames < 1:
        raise ValueError(f"--frames must be at least 1, got {arguments.frames}")
    check_files(arguments.backgrounds)
    if arguments.rate is not None and not arguments.rate > 0:
        raise ValueError(f"--rate must be more than 0, got {arguments.rate}")
    if arguments.people is not None and arguments.people < 0:
        raise ValueError(f"--people must be at least 0, got {arguments.people}")
    if arguments.backgrounds is not None and arguments.name != TRAIN:
        raise ValueError(f"--backgrounds goes with {TRAIN!r}, not with {arguments.name!r}")
    if not 1 <= arguments.quality <= 100:
        raise ValueError(f"--quality must lie in 1 .. 100, got {arguments.quality}")
    kinds = {TRAIN: _train, SHEET: _sheet}
    kinds.get(arguments.name, _scene)(arguments)
    return 0


def _train(arguments: argparse.Namespace) -> None:
    from tqdm import tqdm

    from posetrack.world.training_files import Pictures, write_training_files

    count = 1000 if arguments.frames is None else arguments.frames
    most = 6 if arguments.people is None else arguments.people
    pictures = Pictures(
        arguments.seed,
        arguments.size or (640, 360),
        (0, most),
        arguments.quality,
        _photographs(arguments.backgrounds),
    )
    with tqdm(total=count, unit="picture") as bar:
        path = write_training_files(
            arguments.out,
            pictures,
            count,
            processes=arguments.processes,
            report=lambda done: bar.update(done - bar.n),
        )
    print(f"wrote {count} pictures and {path}")
    print(f"train with --data coco --annotations {path} --images {arguments.out / 'images'}")


def _photographs(folder: Path | None) -> tuple[str, ...]:
    if folder is None:
        return ()
    from posetrack.world.rendering.photographs import photographs_in

    return tuple(map(str, photographs_in(folder)))


def _scene(arguments: argparse.Namespace) -> None:
    from dataclasses import replace

    from tqdm import tqdm

    from posetrack.world.scene_files import write_scene

    scene = scene_of(
        arguments.name,
        people=arguments.people,
        frames=arguments.frames,
        seed=arguments.seed,
        size=arguments.size,
        rate=arguments.rate,
    )
    scene = replace(scene, threads=os.cpu_count() or 1)
    with tqdm(total=len(scene), unit="frame") as bar:
        paths = write_scene(
            scene,
            arguments.out,
            images=arguments.images,
            flow=not arguments.no_flow,
            quality=arguments.quality,
            report=lambda: bar.update(1),
        )
    print("\n".join(f"wrote {path}" for path in paths))


def _sheet(arguments: argparse.Namespace) -> None:
    import cv2

    from posetrack.world.sheet import contact_sheet

    scenes = [scene_of(name, seed=arguments.seed, size=(320, 180)) for name in SCENES]
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "sheet.png"
    if not cv2.imwrite(str(path), contact_sheet(scenes, seed=arguments.seed)):
        raise OSError(f"{path}: could not be written")
    print(f"wrote {path}")
