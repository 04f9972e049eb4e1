"""Detection networks in ONNX files, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posetrack.detectors.decode_functions import (
    Decode,
    DecodeContext,
    Decoded,
    Outputs,
    person_by_name,
    run_on_image,
)
from posetrack.detectors.filtering import check_thresholds, keep_people
from posetrack.detectors.onnx_guess import (
    LAYOUTS,
    Layout,
    ambiguity,
    guess_layout,
    has_focus,
    usual_layout,
    usual_size,
)
from posetrack.images import as_bgr
from posetrack.interfaces import Image
from posetrack.ops.crops import Normalisation
from posetrack.ops.resizing import Resize
from posetrack.runtimes.onnxruntime import open_network
from posetrack.structures import Detections


class OnnxDetector:
    """A detection network in an ONNX file, as a `Detector`.

    Parameters
    ----------
    path
        The file, or MMDeploy's archive of one (``.zip``). Its first input takes images,
        (1, 3, height, width); of a larger batch but one is left empty.
    decode
        From the network's outputs to boxes: a function of `posetrack.detectors.onnx_layouts` or
        `posetrack.detectors.onnx_labelled`, or one of yours (contract: `posetrack.detectors.
        decoding`); or a whole `posetrack.detectors.onnx_guess.Layout`. None: guessed from the
        names and shapes of the outputs, where they leave no doubt.
    input_size
        (width, height) the image is resized to. None: what the file is fixed to, else what is
        usual for its family.
    resize
        From image to input: a function of `posetrack.ops.resizing`. None: what is usual for
        the layout; `stretch` for a decode function of yours.
    normalisation
        The input's colours. None: as the archive says, else what is usual for the layout; RGB in
        [0, 1] for a decode function of yours.
    person
        Which class is the person. None: as the file says, else what is usual for the layout.
    min_score
        Boxes below it are dropped. Lower finds more people and more ghosts.
    max_iou
        Of two boxes that overlap more, the weaker is dropped. Lower loses people close together.
    max_people
        At most this many are kept, those with the best scores; None for all.
    constants
        Values of further inputs, by name.
    threads, providers
        See `posetrack.runtimes.onnxruntime.open_session`.

    Raises
    ------
    ModuleNotFoundError
        If onnxruntime is not installed.
    FileNotFoundError, IsADirectoryError
        If the file does not exist.
    ValueError
        If it is not a usable ONNX file, its input is not a batch of images, the size is open and
        not given or fixed to another, or the layout cannot be guessed. In a call: if the decode
        function's result is not boxes and scores.

    Examples
    --------
    >>> detect = OnnxDetector("yolox_s.onnx", min_score=0.5)  # doctest: +SKIP
    >>> detect(image)  # doctest: +SKIP
    Detections(xyxy (3, 4), scores (3,))
    """

    def __init__(
        self,
        path: str | Path,
        *,
        decode: Decode | Layout | None = None,
        input_size: tuple[int, int] | None = None,
        resize: Resize | None = None,
        normalisation: Normalisation | None = None,
        person: int | None = None,
        min_score: float = 0.5,
        max_iou: float = 0.5,
        max_people: int | None = 100,
        constants: Mapping[str, Any] | None = None,
        threads: int | None = None,
        providers: Sequence[Any] | None = None,
    ) -> None:
        check_thresholds(min_score=min_score, max_iou=max_iou, max_people=max_people)
        self.min_score, self.max_iou, self.max_people = min_score, max_iou, max_people
        network = open_network(path, threads=threads, providers=providers, constants=constants)
        self.person = person_by_name(network.metadata) if person is None else person
        self.input_size = network.size_for(input_size, usual_size(network))
        self._network = network.for_one_image()
        if isinstance(decode, Layout):
            layout = decode
        else:
            layout = usual_layout(decode) if decode else self._guess()
        self.decode = layout.decode
        self.resize = resize or layout.resize
        stated = self._network.card.normalisation
        self.normalisation = normalisation or stated or layout.normalisation

    def __call__(self, image: Image, /) -> Detections:
        """People in the image, best first.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR.
        """
        image = as_bgr(image)
        outputs, context = run_on_image(
            self._network,
            image,
            input_size=self.input_size,
            resize=self.resize,
            normalisation=self.normalisation,
            min_score=self.min_score,
            person=self.person,
        )
        xyxy, scores = self._decode(outputs, context)
        return keep_people(
            xyxy,
            scores,
            image_size=context.image_size,
            min_score=self.min_score,
            max_iou=self.max_iou,
            max_people=self.max_people,
        )

    def _guess(self) -> Layout:
        """Run once, since the sizes of outputs are often left open in the file, and look."""
        outputs = self._network(np.zeros((1, 3, *self.input_size[::-1]), np.float32))
        network = self._network
        layout = guess_layout(outputs, network.output_names, self.input_size, network.metadata)
        if layout is None:
            raise ValueError(ambiguity(str(self._network), outputs))
        if layout is LAYOUTS["rtmdet"] and has_focus(self._network):
            return LAYOUTS["yolox_nms"]
        return layout

    def _decode(self, outputs: Outputs, context: DecodeContext) -> Decoded:
        """The decode function's result, checked because it may be the user's."""
        name = getattr(self.decode, "__name__", repr(self.decode))
        try:
            result = self.decode(outputs, context)
        except ValueError as error:
            raise ValueError(f"{self._network}: {name}: {error}") from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise ValueError(
                f"{name} must give a pair (xyxy, scores), it gave {type(result).__name__}"
            )
        xyxy, scores = (np.asarray(part, np.float32) for part in result)
        if xyxy.size == 0 and scores.size == 0:
            return xyxy.reshape(0, 4), scores.reshape(0)
        if xyxy.ndim != 2 or xyxy.shape[1] != 4 or scores.shape != (len(xyxy),):
            raise ValueError(
                f"{name} must give xyxy (N, 4) and scores (N,), it gave {xyxy.shape} and "
                f"{scores.shape}"
            )
        return xyxy, scores
