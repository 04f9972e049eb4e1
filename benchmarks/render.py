"""Frames of a scene and training crops drawn per second, beside OpenCV's own rasteriser.

OpenCV's ``triangleRasterize`` draws the same triangles with one colour to a vertex and their
depth: no textures, light, shadows or antialiasing, and neither owners, parts nor flow.
"""

from __future__ import annotations

import dataclasses
import platform
import statistics
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np
from timing import interleaved

from posetrack.world.motion.poses import put_on_ground, random_pose
from posetrack.world.people.body import random_body
from posetrack.world.places.scenery import ground, standing, wall
from posetrack.world.rendering.background import random_backdrop, sky
from posetrack.world.rendering.effects import random_effects
from posetrack.world.rendering.lighting import Light, random_light
from posetrack.world.rendering.mesh import Surface
from posetrack.world.rendering.perspective import Camera, looking_at
from posetrack.world.rendering.render import render
from posetrack.world.rendering.textures import brick, tiles

REPEATS = 7


def people(rng: np.random.Generator, count: int, apart: float) -> list[Surface]:
    surfaces = []
    for number in range(count):
        body = random_body(rng)
        pose = put_on_ground(body, random_pose(rng, body))
        root = np.array([(number - (count - 1) / 2) * apart, rng.uniform(-0.5, 0.5), pose.root[2]])
        vertices = body.apply_pose(dataclasses.replace(pose, root=root)).astype(np.float32)
        surfaces.append(Surface(body.mesh, vertices, vertices + np.float32(0.02), number + 1))
    return surfaces


def scene(rng: np.random.Generator) -> tuple[list[Surface], Camera]:
    camera = looking_at((0, -7, 1.7), (0, 0, 1), focal=560, size=(640, 360))
    floor, back = ground(tiles(rng)), wall(brick(rng), (-12, 4), (12, 4), height=3)
    return [standing(floor), standing(back), *people(rng, 5, 1.1)], camera


def opencv(surfaces: list[Surface], camera: Camera) -> Callable[[], object]:
    """The same triangles in its own axes (x right, y up, z towards the viewer)."""
    starts = np.cumsum([0] + [len(s.now) for s in surfaces])
    faces = np.concatenate(
        [s.mesh.faces + start for s, start in zip(surfaces, starts, strict=False)]
    )
    points = camera.to_camera(np.concatenate([s.now for s in surfaces])) * (1, -1, -1)
    colours = np.random.default_rng(0).random((len(points), 3)).astype(np.float32)
    width, height = camera.size
    field = 2 * np.arctan(height / 2 / camera.focal)
    vertices, pose = points.astype(np.float32), np.eye(4, dtype=np.float32)
    settings = cv2.TriangleRasterizeSettings()
    settings.setCullingMode(cv2.RASTERIZE_CULLING_NONE)

    def run() -> object:
        colour = np.zeros((height, width, 3), np.float32)
        depth = np.ones((height, width), np.float32)
        return cv2.triangleRasterize(
            vertices, faces, colours, colour, depth, pose, field, 0.1, 100.0, settings
        )

    return run


def crop(number: int, pairs: list[list[Surface]]) -> object:
    """One picture to learn from: given people, anything else at random."""
    rng = np.random.default_rng(number)
    camera = looking_at((0, -5, 1.3), (0, 0, 0.9), focal=550, size=(192, 256))
    drawn = render(pairs[number % len(pairs)], camera, light=random_light(rng),
                   backdrop=random_backdrop(rng))  # fmt: skip
    return random_effects(rng)(drawn, rng)


def processor_time(run: Callable[[], object]) -> float:
    """Seconds that a processor worked: on a machine that others use, less noisy than the clock."""
    taken = []
    for _ in range(5):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return statistics.median(taken)


def main() -> None:
    rng = np.random.default_rng(0)
    surfaces, camera = scene(rng)
    following = looking_at((0.05, -7, 1.7), (0.05, 0, 1), focal=560, size=(640, 360))
    settings = {"light": Light(), "backdrop": sky(rng)}
    pairs = [people(rng, 1 + i % 2, 0.5) for i in range(8)]
    backdrops = [random_backdrop(rng) for _ in range(20)]
    near = looking_at((0, -5, 1.3), (0, 0, 0.9), focal=550, size=(192, 256))
    count = iter(range(10**9))
    runs: dict[str, Callable[[], object]] = {
        "frame, one thread": lambda: render(surfaces, camera, following, **settings),
        "frame, two threads": lambda: render(surfaces, camera, following, threads=2, **settings),
        "frame, no shadows": lambda: render(surfaces, camera, following, shadow_size=0, **settings),
        "20 crops": lambda: [crop(next(count), pairs) for _ in range(20)],
        "20 crops, drawing only": lambda: [
            render(pairs[i % 8], near, light=Light(), backdrop=backdrops[i]) for i in range(20)
        ],
        "20 crops, making backdrops only": lambda: [random_backdrop(rng) for _ in range(20)],
    }
    if hasattr(cv2, "triangleRasterize"):
        runs["OpenCV triangleRasterize"] = opencv(surfaces, camera)
    else:
        print("this OpenCV has no triangleRasterize: left out")
    cv2.setNumThreads(1)
    seconds = interleaved(runs, REPEATS)
    busy = {name: processor_time(run) for name, run in runs.items()}
    triangles = sum(len(s.mesh.faces) for s in surfaces)
    print(f"python {platform.python_version()}, OpenCV {cv2.__version__}; frames 640x360 of 5 "
          f"people, ground and wall, {triangles} triangles;\ncrops 192x256 of 1 or 2 people on one "
          "thread, with backdrop and effects; processor ms: each frame or crop")  # fmt: skip
    print(f"{'':34}{'ms':>9}{'per second':>12}{'of OpenCV':>11}{'processor ms':>14}")
    base = seconds.get("OpenCV triangleRasterize", float("nan"))
    for name, taken in seconds.items():
        each = 20 if name.startswith("20") else 1
        of = f"{taken / base:11.2f}" if each == 1 else " " * 11
        row = f"{name:34}{taken * 1e3:9.1f}{each / taken:12.1f}{of}"
        print(f"{row}{busy[name] / each * 1e3:14.1f}")


if __name__ == "__main__":
    sys.exit(main())
