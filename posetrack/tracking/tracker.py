"""The one object with memory: poses in a stream of images, with identities.

The algorithm is that of Xiao, Wu and Wei, *Simple Baselines for Human Pose Estimation and
Tracking*, ECCV 2018 (arXiv:1804.06208), section 3. `Tracker.update` reads like it.
"""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from posetrack.checks import check_at_least, check_fraction, check_whole
from posetrack.images import as_bgr
from posetrack.interfaces import (
    BatchDetector,
    BatchEstimator,
    BottomUpEstimator,
    Detector,
    FlowEstimator,
    Image,
    PoseEstimator,
    SharedNetwork,
    TakesUploads,
)
from posetrack.ops.boxes import area, clip_boxes, cut_sides
from posetrack.ops.compilation import compile_kernel, kernel_input
from posetrack.ops.matching import match_greedily
from posetrack.runtimes.uploads import Uploaded, host_of
from posetrack.structures import Detections, Poses, Tracks
from posetrack.tracking.association import (
    Found,
    Matching,
    Similarity,
    candidate_boxes,
    pose_similarity,
)
from posetrack.tracking.explanation import Compared, Explanation, Reason, compare, explain
from posetrack.tracking.memory import Memory
from posetrack.tracking.state import Arrays, State

_ABSENCE = 0.5  # seconds: nobody who walks out of the picture turns sooner
_USUAL = {"box_memory": 0.4, "min_new_score": 0.3}
"""What the settings are that a detector may ask for, where it does not."""


class Tracker:
    """Multi-person pose tracker: `update` it with one image after another.

    A detector whose scores are not like others', or that gives two people one box, may ask for
    values of ``box_memory`` and ``min_new_score``, in a mapping ``tracker_settings``; `asked_for`
    says which count. The one inside the package does.

    Parameters
    ----------
    detector
        Image in, boxes of people out. None: the default for the device, fetched on first use.
    estimator
        Image and boxes in, poses out; or a bottom-up one or a network that finds both
        (`posetrack.interfaces.SharedNetwork`), which need no detector. With a detector beside a
        bottom-up one both count: a pose takes the box that it lies in, a pose in no box has one
        around its keypoints, and a box without a pose is a person without keypoints, who keeps
        their identity by the box (`posetrack.Tracks.source`). None: the first network of
        `posetrack.build.estimator_names` that can be had, fetched on first use; where none can,
        the small network inside the package takes its place, and a warning says so.
    flow
        Moves points from image to image. None: DIS, see `posetrack.flows`.
    device
        Where the defaults run: "auto" (CUDA where there is one), "cpu", "cuda", "cuda:1".
    detect_every
        Run the detector on every n-th image; boxes moved by flow carry the people between.
    flow_boxes
        Also look where the last poses were moved to by flow (the paper's box propagation).
    flow_similarity
        Compare with past poses moved by flow (without an image, by their own velocity); False
        compares with where they were found.
    coasting
        Compare with past poses moved on by their own velocity, too, and take the larger
        similarity. It keeps identities where flow fails, at low frame rates and in fast motion,
        and bridges gaps there; but who comes in where another would be by now may take over the
        identity, and poses are compared twice.
    leaving
        Who has walked out of the picture, by how the border cut their boxes, is not carried by
        flow, and for half a second whoever comes in there is somebody else; then somebody whose
        box is like theirs may be them. Without, flow holds a box at the border, and a newcomer may
        take over the identity; with it, somebody who stops at the border while the detector misses
        them may get another. False is the paper's.
    similarity
        How alike two poses are: `posetrack.tracking.association.pose_similarity` (OKS) or
        ``box_similarity`` (IoU), or a function of yours.
    match
        `posetrack.ops.matching.match_greedily` (the paper) or ``match_optimally``.
    memory
        Length of the deque: with how many past poses of each person a pose is compared. More are
        likelier to hold one of the same posture, and cost time.
    spread
        Seconds that the deque reaches back: each person's newest pose is in it, the others are
        spread over that time. Longer bridges longer gaps, but who comes in where another has just
        left may take over the identity. 0 is the paper's: the last ``memory`` frames, whatever
        the frame rate.
    recency
        Likeness to a pose of t seconds ago counts this to the power t, in [0, 1]. Lower trusts
        new poses more and bridges gaps less; 1 is the paper's, which more often gives somebody
        the identity of one who was there before.
    box_growth
        By how much the extent of moved keypoints is enlarged to a box; 0.15 is the paper's.
    box_memory
        Share of a person's last box, moved along by flow, in the box that is looked into next (else
        as the detector asks, or 0.4); the rest is the keypoints' extent. Lower follows a new
        posture sooner and narrows where few keypoints are seen; higher keeps what the detector
        gave. 0 is the paper's.
    max_box_iou
        NMS of detector and flow boxes together. Lower loses people who overlap, higher asks the
        network for one person twice, which ``max_oks`` mends.
    box_recency
        The score of a box that flow carries counts this to the power of the seconds that it has
        been carried, in [0, 1]. Lower believes the detector: boxes follow its boxes, and ghosts
        die sooner. Higher carries people longer where it misses them, or gives two one box; give
        more where it runs rarely. 1 is the paper's.
    max_oks
        Of two poses more alike than this the worse is dropped.
    max_given_oks
        The same for poses given to `update`, higher, since people who cross are alike for a
        moment; 1 keeps all.
    min_similarity
        A person less alike than this to all remembered ones is new. Low, because in an occlusion
        little of somebody looks as it did; higher gives newcomers less of other people's ids.
    min_keypoint_score
        Keypoints below count as unseen where poses are compared and boxed; they are returned all
        the same.
    min_pose_score
        Poses whose box score times mean keypoint score is below are dropped.
    min_new_score
        The same for people who are new, or come back (else as the detector asks, or 0.3). Higher
        starts fewer false tracks, and finds
        newcomers one to six frames later. 0 is the paper's, and also starts people whom a detector
        beside a bottom-up estimator finds, but never a pose of.
    min_hits
        A new person gets an identity, and is returned, once the detector has found them with at
        least ``min_new_score`` in this many frames more than it has not; in the first frames of a
        stream everybody is returned. 1 is the paper's.
    probation
        Seconds from when a new person was first found until they get an identity: longer starts
        fewer false tracks and returns newcomers later. 0 is the paper's.
    max_missed
        Someone whom the detector has not found for this many seconds is no longer carried by flow
        boxes: ghosts die. Higher carries people longer through misses of the detector; where the
        detector runs rarely, give more than the time between two of its runs.
    assumed_rate
        Frames a second, where `update` is not given the time of its image.

    Examples
    --------
    Identities for poses from anywhere, without networks and without images:

    >>> from posetrack import COCO_17, Poses, Tracker
    >>> tracker = Tracker()
    >>> body = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
    >>> for step in range(3):
    ...     people = tracker.update(poses=Poses.from_keypoints(body + step, None, COCO_17))
    >>> people.ids.tolist()
    [1]
    """

    def __init__(
        self,
        detector: Detector | None = None,
        estimator: PoseEstimator | BottomUpEstimator | SharedNetwork | None = None,
        flow: FlowEstimator | None = None,
        *,
        device: str = "auto",
        detect_every: int = 1,
        flow_boxes: bool = True,
        flow_similarity: bool = True,
        coasting: bool = True,
        leaving: bool = True,
        similarity: Similarity = pose_similarity,
        match: Matching = match_greedily,
        memory: int = 10,
        spread: float = 1.0,
        recency: float = 0.5,
        box_growth: float = 0.15,
        box_memory: float | None = None,
        max_box_iou: float = 0.7,
        box_recency: float = 0.9,
        max_oks: float = 0.5,
        max_given_oks: float = 0.9,
        min_similarity: float = 0.15,
        min_keypoint_score: float = 0.2,
        min_pose_score: float = 0.1,
        min_new_score: float | None = None,
        min_hits: int = 2,
        probation: float = 0.08,
        max_missed: float = 2.0,
        assumed_rate: float = 25.0,
    ) -> None:
        check_whole(1, detect_every=detect_every, memory=memory, min_hits=min_hits)
        check_fraction(max_given_oks=max_given_oks)
        if not assumed_rate > 0:
            raise ValueError(f"assumed_rate must be positive, got {assumed_rate}")
        check_at_least(0, spread=spread, probation=probation, max_missed=max_missed)
        check_fraction(max_box_iou=max_box_iou, max_oks=max_oks, min_similarity=min_similarity)
        check_fraction(recency=recency, box_recency=box_recency)
        check_at_least(0, box_growth=box_growth)
        self.detector, self.estimator, self.flow = detector, estimator, flow
        self.device, self.detect_every = device, detect_every
        self.flow_boxes, self.flow_similarity = flow_boxes, flow_similarity
        self.coasting, self.leaving = coasting, leaving
        self.max_given_oks = max_given_oks
        self.box_recency = box_recency
        self.similarity, self.match = similarity, match
        self.memory, self.recency = memory, recency
        self.box_growth, self.max_box_iou, self.max_oks = box_growth, max_box_iou, max_oks
        self.min_similarity, self.min_keypoint_score = min_similarity, min_keypoint_score
        self.min_pose_score = min_pose_score
        self.min_hits, self.probation, self.max_missed = min_hits, probation, max_missed
        self.spread, self.assumed_rate = spread, assumed_rate
        self._given = {"box_memory": box_memory, "min_new_score": min_new_score}
        self._settle()
        self.reset()

    @property
    def settled(self) -> dict[str, float]:
        """The settings that a detector may ask for, as they count."""
        return {name: getattr(self, name) for name in _USUAL}

    def _settle(self) -> None:
        """Settings that were not given become those that the detector asks for, or the usual."""
        asked = getattr(self.detector, "tracker_settings", {})
        if wrong := sorted(set(asked) - set(_USUAL)):
            raise ValueError(f"the detector's tracker_settings: {wrong[0]} is none of {[*_USUAL]}")
        self.asked_for: dict[str, float] = {
            name: float(value) for name, value in asked.items() if self._given[name] is None
        }
        known = {name: value for name, value in self._given.items() if value is not None}
        settled = {**_USUAL, **self.asked_for, **known}
        check_fraction(box_memory=settled["box_memory"])
        self.box_memory, self.min_new_score = settled["box_memory"], settled["min_new_score"]

    def reset(self) -> None:
        """Forget everything: the next image is the first, the next id is 1."""
        self._state = State()
        # Ids of the last image's poses before anybody was confirmed in it, negative on probation;
        # and who of those was confirmed as whom. With them people can be named from their start.
        self.provisional: NDArray[np.int64] = np.zeros(0, np.int64)
        self.confirmed: dict[int, int] = {}
        self._matched: tuple[Compared, NDArray[np.int64], NDArray[np.int64], Any] | None = None

    def twin(self) -> Tracker:
        """Another with the same networks and settings, which has seen nothing."""
        other = copy.copy(self)
        other.reset()
        return other

    def update(
        self,
        image: Image | Uploaded | None = None,
        *,
        detections: Detections | None = None,
        poses: Poses | None = None,
        seconds: float | None = None,
    ) -> Tracks:
        """Find the people in the next image and say who they are.

        Parameters
        ----------
        image
            (H, W, 3) uint8 BGR; grey, BGRA, uint16 and floating images are converted; or what
            `upload` gives. May be None
            where ``poses`` are given: people are then taken to move on as they did.
        detections
            Boxes of people from elsewhere: the detector is not run.
        poses
            Poses from elsewhere: neither network is run. Given beside ``detections`` both count,
            as with a bottom-up estimator; boxes without a pose come after the poses. They pass
            the same filter and the same
            probation, and all come back in the given order; who has no identity, or none yet, has
            id 0. ``Tracker(min_hits=1, probation=0, min_new_score=0, min_pose_score=0,
            max_given_oks=1)`` gives everybody one at once in whom anything is seen.
        seconds
            When the image was, in the stream's own time, such as `posetrack.video.Frame.seconds`.
            None: a frame at ``assumed_rate`` after the last. Time never runs backwards: earlier
            than the last image counts as the same moment.

        Returns
        -------
        tracks
            The people with an identity, ascending by id (of given poses: in their order).

        Raises
        ------
        ValueError, TypeError
            If the image cannot be used, the time is not finite, or the skeleton changes in
            mid-stream. The tracker is then as it was before the call.
        """
        asking = self.update_in_steps(image, detections=detections, poses=poses, seconds=seconds)
        try:
            asked, boxes = next(asking)
            while True:
                asked, boxes = asking.send(estimate_in(self.network, [asked], [boxes])[0])
        except StopIteration as end:
            return cast(Tracks, end.value)

    def update_in_steps(
        self,
        image: Image | Uploaded | None = None,
        *,
        detections: Detections | None = None,
        poses: Poses | None = None,
        seconds: float | None = None,
    ) -> Generator[tuple[Image | Uploaded, Detections], Poses, Tracks]:
        """`update`, for which the caller runs the top-down pose network.

        So one run may do for several trackers that share one, see
        `posetrack.tracking.pipeline.update_together`.

        Yields
        ------
        image, boxes
            What ``estimator`` is asked, at most once; its poses are sent back. Other networks than
            top-down ones, and the detector, are run by the tracker.

        Returns
        -------
        tracks
        """
        if image is None and poses is None:
            raise ValueError("update needs an image, or poses to give identities to")
        sent = None if image is None else self.upload(image)  # once, for all networks
        image = None if sent is None else host_of(sent)
        now, after = self._time(seconds), self._prepare(sent)
        past = self._past(image, now)
        size = None if image is None or not self.leaving else _size(image)
        # Poses from elsewhere may go on beyond the border.
        gone = {} if size is None or poses is not None else past.walked_out(now, size)
        moved = self._move_past(past, image, after)  # where the flow says past poses are now
        # Without doubles, and without what flow holds of people who are gone.
        found = yield from self._find_poses(sent, moved, gone, detections, poses, now)
        past = moved if self.flow_similarity else past
        compared = self._compare(past, gone, found, now, size, blind=image is None)
        matched, place = compared.match(self.match, self.min_similarity)
        ids = self._remember(past, found, compared, matched, place, now, image, after)
        shown = np.arange(len(ids)) if poses is not None else shown_rows(ids)
        self._matched = compared, matched, ids, shown
        return Tracks(found.poses[shown], ids[shown], found.flow_age[shown])

    @property
    def frame(self) -> int:
        """How many images there have been: the number of the next one."""
        return self._state.frame

    @property
    def longest_gap(self) -> float:
        """Seconds between two images over which somebody who has not moved keeps their identity.

        Examples
        --------
        >>> Tracker(spread=10).longest_gap, Tracker(spread=10, recency=0.9).longest_gap
        (2.73..., 10.0)
        """
        longest = self.spread if self.spread > 0 else np.inf
        if self.recency == 1 or self.min_similarity == 0:
            return float(longest)
        if self.recency == 0:
            return 0.0
        return float(min(longest, np.log(self.min_similarity) / np.log(self.recency)))

    @property
    def explanation(self) -> Explanation:
        """Why the people of the last image have their identities, a row for each of its tracks.

        It is made when asked for, and costs nothing otherwise. Empty before the first image.

        Examples
        --------
        >>> from posetrack import COCO_17, Poses, Tracker
        >>> tracker = Tracker()
        >>> body = np.random.default_rng(0).uniform(0, 100, (1, 17, 2))
        >>> for step in range(2):
        ...     people = tracker.update(poses=Poses.from_keypoints(body + step, None, COCO_17))
        ...     print(Reason(tracker.explanation.reason[0]).name)
        NEW
        COASTED
        """
        if self._matched is None:
            return Explanation.empty()
        return explain(*self._matched, self.frame - 1)

    def upload(self, image: Image | Uploaded) -> Image | Uploaded:
        """The image where the networks want it: sent to their device once for all of them.

        It touches nothing remembered, so it may run ahead in another thread, as `detect` may, to
        both of which, and to `update`, its result is given.

        Returns
        -------
        image
            Itself, uint8 BGR, where no network takes images from a device.
        """
        if isinstance(image, Uploaded):
            return image
        image = as_bgr(image)
        for backend in (self.estimator, self.detector, self.flow):
            if getattr(backend, "image_device", None) is not None:
                return cast(Uploaded, cast(TakesUploads, backend).upload(image))
        return image

    def detect(self, image: Image | Uploaded, frame: int) -> Detections | None:
        """What `update` asks of the detector for the image of that number.

        It touches nothing remembered, so it may run ahead in another thread and its result be
        given to `update` as ``detections``.

        Returns
        -------
        detections
            None where the detector is not due (`detect_every`), or there is none and none is
            needed (bottom-up).
        """
        return self.detect_all([image], frame)[0]

    def detect_all(self, images: Sequence[Image | Uploaded], frame: int) -> list[Detections | None]:
        """The same for several images in a row, of which ``frame`` is the first's number.

        A detector that takes several images (`posetrack.interfaces.BatchDetector`) gets those
        that are due together.
        """
        due = [row for row in range(len(images)) if self.detector_is_due(frame + row)]
        found: list[Detections | None] = [None] * len(images)
        if due:
            answers = detect_in(self.detector, [images[row] for row in due])
            for row, answer in zip(due, answers, strict=True):
                found[row] = answer
        return found

    def detector_is_due(self, frame: int) -> bool:
        """Whether `update` asks the detector for the image of that number."""
        return not frame % self.detect_every and self._asks_detector()

    @property
    def images_at_once(self) -> int:
        """How many images in a row the detector likes to see, where they are at hand.

        The detector that is taken where none was given is built for it.
        """
        return int(getattr(self.detector, "images_at_once", 1)) if self._asks_detector() else 1

    def _asks_detector(self) -> bool:
        """Whether boxes are asked of a detector; where none was given, that is the default one."""
        if self.detector is None:
            if getattr(self.estimator, "bottom_up", False) or self._shared() is not None:
                return False
            self._take_defaults("estimator", "detector")
        # One network for both is asked with the keypoints, when its one pass is done.
        return self._shared() is None or self._has_detector()

    def _prepare(self, image: Image | Uploaded | None) -> Any:
        """The flow's own form of the image; None where no flow is wanted."""
        if image is None or not (self.flow_boxes or self.flow_similarity):
            return None
        if self.flow is None:
            from posetrack.build import default_flow

            self.flow = default_flow(self.device)
        return self.flow.prepare(_for(self.flow, image))

    @property
    def network(self) -> PoseEstimator | BottomUpEstimator:
        """The pose network: the one given, or else the default, which is fetched."""
        if self.estimator is None:
            self._take_defaults("estimator")
        return cast(PoseEstimator, self.estimator)

    def _shared(self) -> SharedNetwork | None:
        """The estimator, where it is a network for boxes and keypoints."""
        return self.estimator if isinstance(self.estimator, SharedNetwork) else None

    def _has_detector(self) -> bool:
        """Whether boxes come from another network than the estimator."""
        return self.detector is not None and cast(object, self.detector) is not self.estimator

    def _take_defaults(self, *kinds: Literal["detector", "estimator"]) -> None:
        """Put the default networks where none was given."""
        from posetrack.build import default_networks

        missing = [kind for kind in kinds if getattr(self, kind) is None]
        for kind, network in default_networks(*missing, device=self.device).items():
            setattr(self, kind, network)
        self._settle()

    def _time(self, seconds: float | None) -> float:
        """When the image is: as given, else a frame after the last; never before the last."""
        last = self._state
        if seconds is None:
            return last.seconds + 1 / self.assumed_rate if last.frame else 0.0
        if not np.isfinite(seconds):
            raise ValueError(f"seconds must be a finite number, got {seconds}")
        return max(float(seconds), last.seconds) if last.frame else float(seconds)

    def _past(self, image: Image | None, now: float) -> Memory:
        """What is remembered, in the pixels of this image."""
        last = self._state
        if last.past is None:
            return Memory.empty(0)
        if self.spread > 0:
            past = last.past.spread_over(self.spread, self.memory, now)
        else:
            past = last.past.since(self.frame - self.memory)
        if image is None or last.size is None or last.size == _size(image):
            return past
        # A stream that changes its resolution shows the same scene, scaled.
        (width, height), (old_width, old_height) = _size(image), last.size
        return past.scaled((width / old_width, height / old_height))

    def _move_past(self, past: Memory, image: Image | None, after: Any) -> Memory:
        """Past poses where the flow says they are in this image; as they are without a flow."""
        last = self._state
        if image is None or last.size != _size(image) or not len(past):
            return past
        if last.before is None or self.flow is None or after is None:
            return past
        moving = past if self.flow_similarity else past[past.frame == last.frame - 1]
        return moving.carried(self.flow, last.before, after, last.size)

    def _find_poses(
        self,
        image: Image | Uploaded | None,
        moved: Memory,
        gone: Mapping[int, float],
        detections: Detections | None,
        poses: Poses | None,
        now: float,
    ) -> Generator[tuple[Image | Uploaded, Detections], Poses, Found]:
        """The poses of this image, without doubles, and how each was come by."""
        if poses is not None:
            found = Found.of(self._checked(poses), self.min_keypoint_score, now)
            found = self._drop_doubles(found, self.max_given_oks)
            return found if detections is None else self._fuse(found, detections, image, now)
        assert image is not None  # update() has seen to it
        if getattr(self.estimator, "bottom_up", False):  # the default is not
            if detections is None:
                detections = self.detect(image, self.frame)
            poses = cast(BottomUpEstimator, self.estimator)(_for(self.estimator, image))
            found = Found.of(self._checked(poses), self.min_keypoint_score, now)
            found = self._drop_doubles(found, self.max_oks)
            if detections is not None or self.detector is not None:
                found = self._fuse(found, detections, image, now)
            return found[self._best_first(found)]
        if detections is None:
            # Boxes given for some frames only: the detector, where there is one, does the rest.
            detections = self.detect(image, self.frame)
        # A network for both runs what they share once.
        shared = self._shared()
        state = None if shared is None else shared.prepare(_for(shared, image))
        due = detections is None and not self.frame % self.detect_every
        if shared is not None and due and not self._has_detector():
            detections = shared.detect(state)
        detected = _boxes_of(detections)
        carried = (moved.missed == 0) | (now - moved.supported < self.max_missed)
        last = moved[(moved.frame == self.frame - 1) & carried]
        fresh = (self.box_recency ** (now - last.seconds)).astype(np.float32)
        last = replace(last, box_scores=last.box_scores * fresh)
        boxes, source = candidate_boxes(
            detected,
            last if self.flow_boxes else last[:0],
            growth=self.box_growth,
            memory=self.box_memory,
            max_iou=self.max_box_iou,
            size=_size(host_of(image)),
        )
        if gone:
            stale = np.isin(source, np.flatnonzero(np.isin(last.ids, [*gone])))
            boxes, source = boxes[~stale], source[~stale]
        if shared is None:
            poses = yield image, boxes
        else:
            poses = shared.estimate(state, boxes)
        if len(poses) != len(boxes):
            raise ValueError(
                f"the estimator gave {len(poses)} poses for {len(boxes)} boxes; expected one for "
                "each, in their order (a bottom-up estimator says so with bottom_up = True)"
            )
        looked = detections is not None
        found = Found.of(self._checked(poses), self.min_keypoint_score, now, last, source, looked)
        found = self._drop_doubles(found, self.max_oks)
        return found[self._best_first(found)]

    def _fuse(
        self,
        found: Found,
        detections: Detections | None,
        image: Image | Uploaded | None,
        now: float,
    ) -> Found:
        """Poses of a whole image together with the detector's boxes; None: it was not due."""
        return found.with_detections(
            _boxes_of(detections),
            growth=self.box_growth,
            max_iou=self.max_box_iou,
            min_pose_score=self.min_pose_score,
            size=None if image is None else _size(host_of(image)),
            now=now,
        )

    def _best_first(self, found: Found) -> NDArray[np.intp]:
        rows = np.flatnonzero(found.good)
        return rows[np.argsort(-found.scores[rows], kind="stable")]

    def _drop_doubles(self, found: Found, max_oks: float) -> Found:
        return found.without_doubles(min_pose_score=self.min_pose_score, max_oks=max_oks)

    def _checked(self, poses: Poses) -> Poses:
        """The same poses, if they have the stream's skeleton."""
        begun = self._state.skeleton
        if begun is not None and poses.skeleton != begun:
            raise ValueError(
                f"the stream began with {begun.name} and now has {poses.skeleton.name}; "
                "call reset() before another skeleton, or convert with poses.to(skeleton)"
            )
        return poses

    def _compare(
        self,
        past: Memory,
        gone: Mapping[int, float],
        found: Found,
        now: float,
        size: tuple[int, int] | None,
        *,
        blind: bool,
    ) -> Compared:
        """Similarities of those remembered with the poses found."""
        places = {Reason.FLOW if self.flow_similarity else Reason.STILL: past}
        if blind and self.flow_similarity:
            places = {}  # where nothing can be seen to move, people are taken to go on as they did
        if self.coasting or not places:
            places[Reason.COASTED] = past.as_found().coasted(now)
        returning = None
        if size is not None:
            places = self._without_gone(places, past, gone, size)
            returning = _returning(past, gone, found, size)
        return compare(
            places,
            found,
            self.similarity,
            recency=self.recency,
            min_new_score=self.min_new_score,
            now=now,
            frame=self.frame,
            returning=returning,
        )

    def _without_gone(
        self,
        places: Mapping[Reason, Memory],
        past: Memory,
        gone: Mapping[int, float],
        size: tuple[int, int],
    ) -> dict[Reason, Memory]:
        """The rows without those unseen of people who have walked out of the image by now.

        Flow knows nothing of them; whoever comes in at that border would have their identity.
        """
        hidden = {reason: np.zeros(len(past), np.bool_) for reason in places}
        coasted = places.get(Reason.COASTED)
        if coasted is not None:
            # Who was not cut by the border before may be coming on as they went.
            inside = area(clip_boxes(coasted.xyxy, size)) >= 0.5 * area(coasted.xyxy)
            out = ~inside & (past.frame[past.latest_rows(past.ids)] < self.frame - 1)
            hidden = {reason: out & (reason != Reason.COASTED) for reason in places}
        if gone:
            left = np.isin(past.ids, [*gone])
            hidden = {reason: rows | left for reason, rows in hidden.items()}
        return {reason: rows.without_poses(hidden[reason]) for reason, rows in places.items()}

    def _remember(
        self,
        past: Memory,
        found: Found,
        compared: Compared,
        ids: NDArray[np.int64],
        place: NDArray[np.intp],
        now: float,
        image: Image | None,
        after: Any,
    ) -> NDArray[np.int64]:
        """Give out ids, push the frame into the memory and return the ids."""
        last, next_id, remembered = self._state, self._state.next_id, compared.past
        ids = ids.copy()
        hits, born, proven, fresh = _count_hits(
            ids,
            kernel_input(place, np.intp),
            compared.newest,
            kernel_input(remembered.hits, np.int64),
            kernel_input(remembered.born, np.float64),
            found.good,
            found.scores,
            found.missed,
            found.flow_age,
            found.blank,
            np.float32(self.min_new_score),
            self.min_hits,
            self.probation * (1 - 1e-9),
            last.next_probation,
            now,
        )
        proven |= last.frame < self.min_hits
        self.provisional, self.confirmed = ids.copy(), {}
        for row in np.flatnonzero((ids < 0) & proven):
            self.confirmed[int(ids[row])] = next_id
            past = past.renamed(int(ids[row]), next_id)
            ids[row] = next_id
            next_id += 1
        poses, kept = found.poses, np.flatnonzero(ids)
        newest = Memory(
            xy=found.seen,
            scores=poses.scores.astype(np.float32),
            xyxy=found.xyxy,
            box_scores=poses.boxes.scores.astype(np.float32),
            frame=np.full(len(ids), last.frame),
            seconds=np.full(len(ids), now),
            ids=ids,
            flow_age=found.flow_age,
            missed=found.missed,
            hits=hits,
            born=born,
            supported=found.supported,
            found_xy=found.seen,
            found_xyxy=found.xyxy,
        )
        newest = newest if len(kept) == len(ids) else newest[kept]
        self._state = State(
            frame=last.frame + 1,
            seconds=now,
            next_id=next_id,
            next_probation=last.next_probation - fresh,
            size=None if image is None else _size(image),
            before=after,
            past=past.join(newest) if len(past) else newest,
            skeleton=found.poses.skeleton,
        )
        return np.maximum(ids, 0)

    def state_dict(self) -> Arrays:
        """Everything remembered, as named arrays: a run can go on in another process.

        ``numpy.savez(path, **tracker.state_dict())`` keeps it; settings and networks are not in
        it, so give the other tracker the same.
        """
        return self._state.to_arrays()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another tracker's `state_dict` was taken.

        Raises
        ------
        ValueError
            If it is not a tracker's state, or of another version; the tracker is then unchanged.
        """
        self._state, self._matched = State.from_arrays(state), None
        self.provisional, self.confirmed = np.zeros(0, np.int64), {}


def detect_in(detector: Detector | None, images: Sequence[Image | Uploaded]) -> list[Detections]:
    """What a detector finds in each of some images; in one run where it takes several."""
    wanted = [_for(detector, image) for image in images]
    if len(wanted) > 1 and isinstance(detector, BatchDetector):
        return detector.detect_all(wanted)
    return [cast(Detector, detector)(image) for image in wanted]


def estimate_in(
    estimator: object, images: Sequence[Image | Uploaded], boxes: Sequence[Detections]
) -> list[Poses]:
    """A top-down network's poses in each of some images; in one run where it takes several."""
    wanted = [_for(estimator, image) for image in images]
    if len(wanted) > 1 and isinstance(estimator, BatchEstimator):
        return estimator.estimate_all(wanted, boxes)
    one = cast(PoseEstimator, estimator)
    return [one(image, some) for image, some in zip(wanted, boxes, strict=True)]


def _returning(
    past: Memory, gone: Mapping[int, float], found: Found, size: tuple[int, int]
) -> NDArray[np.bool_] | None:
    """(R, N) which rows are of people who may be coming in again as which pose.

    Those are whom a border cut, out for so long that they may have turned, and the poses that the
    same border cuts. Of somebody at a border the box is alike, keypoints are hardly seen.
    """
    turned = [who for who, seconds in gone.items() if seconds >= _ABSENCE]
    if not turned:
        return None
    then, today = cut_sides(past.found_xyxy, size), cut_sides(found.xyxy, size)
    back = np.isin(past.ids, turned)
    return np.asarray(back[:, None] & (then[:, None] & today).any(axis=2))


@compile_kernel
def _count_hits(
    ids: NDArray[np.int64],
    place: NDArray[np.intp],
    newest: NDArray[np.intp],
    hits_before: NDArray[np.int64],
    born_before: NDArray[np.float64],
    good: NDArray[np.bool_],
    scores: NDArray[np.float32],
    missed: NDArray[np.int64],
    flow_age: NDArray[np.int64],
    blank: NDArray[np.bool_],
    min_new_score: np.float32,
    min_hits: int,
    probation: float,
    next_probation: int,
    now: float,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_], int]:
    """Hits, when each was first found, who is past probation, and how many are new.

    Those who are new get the next numbers of probation in ``ids``.
    """
    hits, born = np.zeros(len(ids), np.int64), np.full(len(ids), now)
    proven, fresh = np.empty(len(ids), np.bool_), 0
    for row in range(len(ids)):
        certain = good[row] and scores[row] >= min_new_score and missed[row] == 0
        if min_new_score > 0 and blank[row]:
            certain = False  # a box without a pose shows who is there, but starts nobody
        hits[row] = 1 if certain else 0
        if place[row] >= 0:
            # Whom the detector finds no more often than not is never past probation.
            lost = 1 if ids[row] < 0 and not certain else 0
            before = newest[place[row]]
            hits[row] = max(hits_before[before] + hits[row] - lost, 0)
            born[row] = born_before[before]
        elif flow_age[row] <= 0 and hits[row] > 0:
            # A box that only flow proposes belongs to somebody known, or to nobody.
            ids[row] = next_probation - fresh
            fresh += 1
        proven[row] = hits[row] >= min_hits and now - born[row] >= probation
    return hits, born, proven, fresh


def _for(backend: object, image: Image | Uploaded) -> Image:
    """The image as a backend takes it: that on its device, or that of the host.

    Typed as an image either way: only a backend that asks for the other gets it.
    """
    if isinstance(image, Uploaded) and getattr(backend, "image_device", None) is not None:
        return cast(Image, image)
    return as_bgr(host_of(image))


def _boxes_of(detections: Detections | None) -> Detections:
    """What the detector gave; nobody where it was not run."""
    if detections is None:
        return Detections.empty()
    if not isinstance(detections, Detections):
        kind = type(detections).__name__
        raise TypeError(f"expected posetrack.Detections from the detector, got {kind}")
    return detections


def _size(image: Image) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def shown_rows(ids: NDArray[np.int64]) -> NDArray[np.intp]:
    """Rows with an identity, ascending by it."""
    rows = np.flatnonzero(ids > 0)
    return rows[np.argsort(ids[rows])]
