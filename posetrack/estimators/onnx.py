"""Top-down networks in ONNX files, run by onnxruntime.

Files fixed to one crop a run are common. Measured on two nearly idle cores with a 2.4 MB network
for 192 x 256 crops (milliseconds a person with 1, 3 and 6 people, medians of 25 repeats):

========================================================  =====  =====  =====
one run after the other, one thread                        5.0    5.0    5.0
one run after the other, two threads                       4.8    4.3    4.3
runs side by side, each with one thread                    5.1    5.2    3.8
runs side by side in a session of two threads              4.9    4.5    3.8
file changed to take any batch, one run of two threads     4.5    4.1    3.8
========================================================  =====  =====  =====

With other work on the cores these alternatives differ by less than the noise, and one thread in
turn is as good as any (``benchmarks/onnx_threads.py``). Changing the file gains next to nothing and
would need the onnx package, so the file is left as it is and its runs go side by side in a session
of as many threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posetrack.estimators.top_down import Decoder, TopDown, check_crops
from posetrack.ops.crops import Normalisation
from posetrack.runtimes.onnxruntime import open_network
from posetrack.skeletons import Skeleton


class OnnxTopDown(TopDown):
    """A network for crops in an ONNX file, as a `posetrack.interfaces.PoseEstimator`.

    Parameters
    ----------
    path
        The file, or MMDeploy's archive of one (``.zip``). It takes crops (N, 3, height, width) and
        gives heatmaps (N, K, h, w), or SimCC vectors as RTMPose and RTMW do.
    skeleton
        What its K keypoints are. When None: as the file says, if it was exported here, else by how
        many they are, see `posetrack.estimators.top_down.TopDown`.
    input_size
        (width, height) of a crop. None: what the file is fixed to.
    normalisation
        How pixels become its input. When None: as the file says, else ImageNet's RGB.
    padding
        How much larger than the box the crop is, after the box is given the crop's shape. When
        None: as the file says, else 1.25.
    flip_test
        Average with the heatmaps of the mirrored crop: somewhat more accurate, at twice the time.
    decode
        Heatmaps (N, K, h, w) to cells (N, K, 2) and scores (N, K): a function of
        `posetrack.ops.heatmaps`, or one of yours. When None: as the file says, else
        `posetrack.ops.heatmaps.decode_quarter`.
    max_batch
        Most crops in one run, where the file takes any number; bounds memory.
    threads, providers
        See `posetrack.runtimes.onnxruntime.open_session`. A file fixed to a batch size is run for
        ``threads`` batches side by side.
    precision, calibration
        See `posetrack.estimators.top_down.TopDown`.

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime is not installed.
    FileNotFoundError, IsADirectoryError
        If the file does not exist.
    ValueError
        If it is not a usable ONNX file, its input is not a batch of images, its size is open and
        not given or fixed to another, or its output is not one heatmap for each keypoint of the
        skeleton.

    Notes
    -----
    Keypoints whose heatmap is NaN throughout are NaN with score 0.

    Examples
    --------
    >>> estimate = OnnxTopDown("simplepose_256x192.onnx")  # doctest: +SKIP
    >>> estimate(image, detect(image))  # doctest: +SKIP
    Poses(xy (3, 17, 2), scores (3, 17), coco_17)
    """

    def __init__(
        self,
        path: str | Path,
        skeleton: Skeleton | None = None,
        *,
        input_size: tuple[int, int] | None = None,
        normalisation: Normalisation | None = None,
        padding: float | None = None,
        flip_test: bool = False,
        decode: Decoder | None = None,
        max_batch: int = 64,
        threads: int | None = None,
        providers: Sequence[Any] | None = None,
        precision: str | None = None,
        calibration: str | Path | None = None,
    ) -> None:
        check_crops(max_batch, padding)
        network = open_network(path, threads=threads, providers=providers)
        super().__init__(
            network,
            skeleton,
            input_size=input_size,
            normalisation=normalisation,
            padding=padding,
            flip_test=flip_test,
            decode=decode,
            max_batch=max_batch,
            threads=threads,
            precision=precision,
            calibration=calibration,
        )
