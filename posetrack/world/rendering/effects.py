"""What cameras do to pictures: blur, noise, wrong exposure, compression. The truth stays as is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from posetrack.ops.compilation import compile_kernel, kernel_input
from posetrack.world.rendering.render import Render

Image = NDArray[np.uint8]
Float32Array = NDArray[np.float32]
UInt8Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Effects:
    """A camera's faults, applied in the order in which light meets them. The defaults do nothing.

    Parameters
    ----------
    shutter
        Share of the time between two frames in which the shutter is open: motion blur.
    defocus
        Radius in pixels of the disc that a point becomes.
    gain, balance, gamma
        See `expose`.
    saturation
        0 for grey, 1 as it is.
    noise, shot
        See `noisy`.
    resolution
        Share of the picture's size at which it was taken, at most 1.
    quality
        Of JPEG, 1 to 100; None for no compression.

    Examples
    --------
    >>> from posetrack.world.rendering.background import plain
    >>> from posetrack.world.rendering.perspective import looking_at
    >>> from posetrack.world.rendering.lighting import Light
    >>> from posetrack.world.rendering.render import render
    >>> camera = looking_at((0, -4, 1), (0, 0, 1), focal=40, size=(32, 24))
    >>> drawn = render([], camera, light=Light(), backdrop=plain((40, 50, 60)))
    >>> Effects(gain=2.0)(drawn, np.random.default_rng(0))[0, 0].tolist()
    [80, 100, 120]
    """

    shutter: float = 0.0
    defocus: float = 0.0
    gain: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    saturation: float = 1.0
    noise: float = 0.0
    shot: float = 0.0
    resolution: float = 1.0
    quality: int | None = None

    def __call__(self, drawn: Render, rng: np.random.Generator) -> Image:
        """The picture (H, W, 3) as this camera gives it; only the noise is drawn from ``rng``."""
        image = drawn.image.copy()
        if self.shutter > 0:
            image = blur_motion(image, drawn.flow, drawn.depth, shutter=self.shutter)
        if self.defocus > 0:
            image = blur_by_disc(image, self.defocus)
        image = expose(image, gain=self.gain, balance=self.balance, gamma=self.gamma)
        if self.saturation != 1:
            image = saturate(image, self.saturation)
        if self.noise > 0 or self.shot > 0:
            image = noisy(image, rng, noise=self.noise, shot=self.shot)
        if self.resolution < 1:
            image = coarse(image, self.resolution)
        return image if self.quality is None else jpeg(image, self.quality)


def random_effects(rng: np.random.Generator) -> Effects:
    """Faults of a camera drawn at random: most mild, a few of them bad.

    Examples
    --------
    >>> random_effects(np.random.default_rng(3)) == random_effects(np.random.default_rng(3))
    True
    """

    def sometimes(share: float, value: float, otherwise: float) -> float:
        return value if rng.random() < share else otherwise

    quality = int(rng.integers(25, 98))
    return Effects(
        shutter=sometimes(0.5, float(rng.uniform(0.1, 0.9)), 0.0),
        defocus=sometimes(0.35, float(rng.gamma(2.0, 0.5)), 0.0),
        gain=float(np.exp(rng.normal(0, 0.22))),
        balance=tuple(np.exp(rng.normal(0, 0.07, 3)).tolist()),
        gamma=float(np.exp(rng.normal(0, 0.15))),
        saturation=sometimes(0.08, 0.0, float(rng.uniform(0.6, 1.3))),
        noise=sometimes(0.6, float(rng.gamma(1.5, 2.5)), 0.0),
        shot=sometimes(0.4, float(rng.gamma(1.5, 0.15)), 0.0),
        resolution=sometimes(0.3, float(rng.uniform(0.35, 0.95)), 1.0),
        quality=quality if rng.random() < 0.6 else None,
    )


def blur_motion(
    image: Image, flow: NDArray[np.float32], depth: NDArray[np.float32], *, shutter: float = 0.5
) -> Image:
    """An image as an open shutter sees it, from the flow of its points.

    Each pixel becomes a mean along the strongest motion around it; what moves is smeared over
    what stands behind it (after McGuire, Hennessy, Bukowski, Osman, A reconstruction filter for
    plausible motion blur, 2012, but what is not covered shows the pixel itself). The blur lies
    around the moment of the image. Where people turn fast, the mean of pictures of moments between
    is nearer to the truth, and slower.

    Parameters
    ----------
    image, flow, depth
        (H, W, 3) uint8, (H, W, 2) pixels until the next frame and (H, W) metres, as in `Render`.
    shutter
        Share of the time between two frames in which the shutter is open.

    Examples
    --------
    >>> edge = np.zeros((4, 40, 3), np.uint8)
    >>> edge[:, 20:] = 200
    >>> flow = np.full((4, 40, 2), (8.0, 0.0), np.float32)
    >>> blurred = blur_motion(edge, flow, np.ones((4, 40), np.float32), shutter=1.0)
    >>> int(blurred[0, 10, 0]), 0 < int(blurred[0, 18, 0]) < 200, int(blurred[0, 30, 0])
    (0, True, 200)
    """
    blur = np.nan_to_num(flow, nan=0.0, posinf=0.0, neginf=0.0) * np.float32(shutter)
    length = np.sqrt((blur * blur).sum(axis=2))
    most = 64.0  # pixels; longer motions are cut
    blur *= np.minimum(1, most / np.maximum(length, 1e-6))[..., None]
    tile = int(min(max(math.ceil(float(length.max(initial=0)) / 2), 4), most / 2))
    dominant = _longest_around(blur, tile)
    out = np.empty_like(image)
    _blur(kernel_input(image, np.uint8), blur, dominant, kernel_input(depth, np.float32), tile, out)
    return out


def _longest_around(blur: NDArray[np.float32], tile: int) -> NDArray[np.float32]:
    """The longest of the vectors (H, W, 2) in each tile and the eight around it."""
    height, width = blur.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.zeros((rows * tile, columns * tile, 2), np.float32)
    padded[:height, :width] = blur
    tiles = padded.reshape(rows, tile, columns, tile, 2).transpose(0, 2, 1, 3, 4)
    tiles = tiles.reshape(rows, columns, tile * tile, 2)
    best = _longest(tiles)
    framed = np.pad(best, ((1, 1), (1, 1), (0, 0)))
    around = [framed[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    return _longest(np.stack(around, axis=2))


def _longest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of vectors (..., n, 2), the longest one."""
    which = (vectors * vectors).sum(axis=-1).argmax(axis=-1)
    found = np.take_along_axis(vectors, which[..., None, None], axis=-2)
    return np.ascontiguousarray(found[..., 0, :])


def blur_by_disc(image: Image, radius: float) -> Image:
    """Blur by a disc of ``radius`` pixels, its edge soft over one pixel.

    Examples
    --------
    >>> dot = np.zeros((5, 5, 3), np.uint8)
    >>> dot[2, 2] = 255
    >>> blur_by_disc(dot, 1.0)[2, :, 0].tolist()
    [0, 38, 76, 38, 0]
    """
    reach = math.ceil(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    kernel = (disc / disc.sum()).astype(np.float32)
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101))


def expose(
    image: Image,
    *,
    gain: float = 1.0,
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0),
    gamma: float = 1.0,
) -> Image:
    """Brighter or darker, of another tint, flatter or steeper.

    Parameters
    ----------
    image
        (H, W, 3) uint8 BGR.
    gain
        Factor of all values.
    balance
        Factors of blue, green and red.
    gamma
        Above 1 the middle tones get darker.

    Examples
    --------
    >>> expose(np.full((1, 1, 3), 100, np.uint8), gain=1.5, balance=(1, 1, 2))[0, 0].tolist()
    [150, 150, 255]
    """
    tone = (np.arange(256) / 255) ** gamma * 255
    table = np.clip(tone[:, None] * (gain * np.asarray(balance)) + 0.5, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]))


def saturate(image: Image, share: float) -> Image:
    """Colours moved away from grey (above 1) or to it (below 1).

    Examples
    --------
    >>> saturate(np.array([[[0, 0, 200]]], np.uint8), 0.0)[0, 0].tolist()
    [60, 60, 60]
    """
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.addWeighted(image, share, grey, 1 - share, 0))


def noisy(
    image: Image, rng: np.random.Generator, *, noise: float = 2.0, shot: float = 0.1
) -> Image:
    """Gaussian noise of variance ``noise ** 2 + shot * value``, apart in each pixel and colour.

    Examples
    --------
    >>> grey = np.full((50, 50, 3), 100, np.uint8)
    >>> round(float(noisy(grey, np.random.default_rng(0), noise=3.0, shot=0.16).std()))
    5
    """
    values = image.astype(np.float32)
    spread = np.sqrt(np.float32(noise) ** 2 + np.float32(shot) * values)
    values += spread * rng.standard_normal(image.shape, np.float32)
    noised: Image = np.clip(values + 0.5, 0, 255).astype(np.uint8)
    return noised


def coarse(image: Image, share: float) -> Image:
    """An image taken at ``share`` of its size, and blown up again.

    Examples
    --------
    >>> coarse(np.zeros((10, 20, 3), np.uint8), 0.5).shape
    (10, 20, 3)
    """
    height, width = image.shape[:2]
    size = (max(round(width * share), 1), max(round(height * share), 1))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


def jpeg(image: Image, quality: int) -> Image:
    """An image after JPEG compression, ``quality`` 1 (bad) to 100.

    Examples
    --------
    >>> jpeg(np.full((8, 8, 3), 128, np.uint8), 50)[0, 0].tolist()
    [128, 128, 128]
    """
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


@compile_kernel
def _blur(
    image: UInt8Array,
    blur: Float32Array,
    dominant: Float32Array,
    depth: Float32Array,
    tile: int,
    out: UInt8Array,
) -> None:
    """Fill ``out`` with means along the strongest motion around each pixel.

    Parameters
    ----------
    image, depth
        (H, W, 3) and (H, W).
    blur
        (H, W, 2), the motion in pixels of each point while the shutter is open.
    dominant
        (ceil(H / tile), ceil(W / tile), 2), the longest motion in and around each tile.
    tile
        Side of a tile in pixels.
    """
    height, width = depth.shape
    total = np.zeros(3)
    for row in range(height):
        for column in range(width):
            dx, dy = dominant[row // tile, column // tile]
            longest = math.sqrt(dx * dx + dy * dy)
            if longest < 0.5:
                for c in range(3):
                    out[row, column, c] = image[row, column, c]
                continue
            own = math.hypot(blur[row, column, 0], blur[row, column, 1]) / 2
            taps = min(2 * int(longest / 2) + 3, 25)
            total[:] = 0
            for tap in range(taps):
                t = (tap + 0.5) / taps - 0.5
                i = min(max(int(row + t * dy + 0.5), 0), height - 1)
                j = min(max(int(column + t * dx + 0.5), 0), width - 1)
                distance = abs(t) * longest
                theirs = math.hypot(blur[i, j, 0], blur[i, j, 1]) / 2
                # What is in front covers what is behind as far as its own motion carries it;
                # what is behind is laid open as far as that of what is in front does.
                reach = theirs if depth[i, j] <= depth[row, column] * 1.02 else own
                share = min(max(reach - distance + 1.0, 0.0), 1.0)
                for c in range(3):
                    there, here = np.float64(image[i, j, c]), np.float64(image[row, column, c])
                    total[c] += share * there * there + (1 - share) * here * here
            for c in range(3):
                out[row, column, c] = int(math.sqrt(total[c] / taps) + 0.5)
