"""The table of published networks: where their weights are and what is needed to use them.

One row a model, data only: nothing here opens a file or a connection (`posetrack.weights` does).
A row lists its files in the order in which they are tried. Two files of one row hold the same
network, perhaps trained in two runs and under other key names, so each file has its own hash.

To add a row, write one more ``CatalogueEntry`` in ``_ROWS``. Only what the code can build is
listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal
from urllib.parse import urlsplit

from posetrack.checks import did_you_mean

Kind = Literal["pose", "detector", "flow"]
Layout = Literal["mmpose1", "mmpose0", "torchvision", "tfjs", "onnx", "transformers"]

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")

_MEAN: Final = (0.485, 0.456, 0.406)
_STD: Final = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class RemoteFile:
    """One file that can be downloaded.

    Parameters
    ----------
    url
        ``https``; plain ``http`` only for this machine (tests, a local mirror). Its last part is
        the name of the file in the cache folder.
    sha256
        The file's SHA-256, or its first digits where only those are published; at least 8 hex
        digits, lower case; empty where nothing is published. Eight digits reveal a broken or
        mistaken file, not a forged one (integrity, not authenticity): what guards against forgery
        is https, and that weights are loaded as tensors only. The whole hash of the first download
        is remembered beside the
        file, and a later one must be the same.
    layout
        How the tensors in it are called: MMPose 1.x, MMPose 0.x or torchvision; or what else it
        is: a graph model for TensorFlow.js, whose binary files are brought with it; weights of
        ``transformers``, with which its two JSON files come; an ONNX file or an archive of one.

    Raises
    ------
    ValueError
        If the URL's scheme, its last part or the hash is not as stated.

    Examples
    --------
    >>> RemoteFile("https://example.org/net-0123abcd.pth", "0123abcd", "torchvision").name
    'net-0123abcd.pth'
    """

    url: str
    sha256: str
    layout: Layout

    def __post_init__(self) -> None:
        require_safe_url(self.url)
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", self.name):
            raise ValueError(f"{self.url}: its last part must be a plain file name")
        if self.sha256 and not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ValueError(
                f"{self.url}: expected 8 to 64 lower-case hex digits of SHA-256, "
                f"got {self.sha256!r}"
            )

    @property
    def name(self) -> str:
        """The file's name in the cache folder."""
        return urlsplit(self.url).path.rsplit("/", 1)[-1]

    @property
    def has_own_folder(self) -> bool:
        """Whether it comes with others and lies in a folder of the model's name."""
        return self.layout in ("tfjs", "transformers")


@dataclass(frozen=True)
class CatalogueEntry:
    """What is known of one model.

    Parameters
    ----------
    name
        What the user types.
    kind
        ``"pose"`` (top-down heatmaps), ``"detector"`` (boxes) or ``"flow"`` (optical flow).
    builder
        ``"pose_resnet"``, ``"hrnet"``, ``"posenet"``, ``"trt_pose"``, ``"onnx"``, ``"light"``,
        ``"vitpose"``, or the name of torchvision's function that builds the network.
    files
        Where the weights are, first choice first; at least one, unless they are ``bundled`` or
        had ``by_hand``.
    size
        Bytes of a file, to about a percent.
    input_size
        (width, height) the network was trained at; None where it takes any.
    depth
        Layers of a pose ResNet's backbone; None for other builders.
    skeleton
        Name of the skeleton in `posetrack.skeletons.KNOWN_SKELETONS`; None without keypoints.
    colour_order, mean, std
        Input channels, and what is subtracted and divided by, in that order, on a scale of 0 to
        1; None where the network does so itself.
    licence
        Of the weights, as their publisher gives it.
    training_data
        What they were trained on, as their publisher says.
    accuracy
        As published, with the measure; not measured by us.
    note
        What a user should know before choosing it.
    bundled
        Name of the file with the weights in the package's folder ``bundled``; empty for networks
        that do not come with the package.
    by_hand
        Where a person has to get the file, for weights that no program can fetch.
    finds_boxes
        Whether a pose network sees the whole image and finds people by itself, so that it needs no
        detector.
    """

    name: str
    kind: Kind
    builder: str
    files: tuple[RemoteFile, ...]
    size: int
    input_size: tuple[int, int] | None = None
    depth: int | None = None
    skeleton: str | None = None
    colour_order: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    licence: str = ""
    training_data: str = ""
    accuracy: str = ""
    note: str = ""
    bundled: str = ""
    by_hand: str = ""
    finds_boxes: bool = False

    def serves_as(self, kind: Kind) -> bool:
        """Whether it is of a kind; a detector that knows keypoints is a pose network, too."""
        return self.kind == kind or (kind == "pose" and self.skeleton is not None)

    def __post_init__(self) -> None:
        if not (self.files or self.bundled or self.by_hand):
            raise ValueError(f"{self.name}: a model needs at least one file")
        if self.size <= 0:
            raise ValueError(f"{self.name}: size must be a positive number of bytes")


def require_safe_url(url: str) -> None:
    """Do nothing for an https URL, or an http one of this machine; else raise.

    Raises
    ------
    ValueError
        For any other scheme (``file:``, ``ftp:``, ``data:``), or plain http elsewhere.

    Examples
    --------
    >>> require_safe_url("http://127.0.0.1:8000/net.pth")
    >>> require_safe_url("file:///etc/passwd")
    Traceback (most recent call last):
    ValueError: file:///etc/passwd: only https is fetched, or http from this machine itself
    """
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise ValueError(f"{url}: only https is fetched, or http from this machine itself")


def find_entry(name: str) -> CatalogueEntry:
    """The row called ``name``; hyphens are as good as underscores.

    Raises
    ------
    ValueError
        If no entry has this name; the message names the closest.

    Examples
    --------
    >>> find_entry("pose_resnet50_coco_256x192").input_size
    (192, 256)
    >>> find_entry("raft_smal")
    Traceback (most recent call last):
    ValueError: no model is called 'raft_smal'; did you mean 'raft_small' or 'raft_large'? ...
    """
    found = look_up_entry(name)
    if found is not None:
        return found
    hint = did_you_mean(name, MODELS) or "."
    raise ValueError(
        f"no model is called {name!r}{hint} `posetrack models list` shows all names; "
        "a file of your own is given by its path"
    )


def look_up_entry(name: str) -> CatalogueEntry | None:
    """The row called ``name``, see `find_entry`; None if no row is.

    Examples
    --------
    >>> look_up_entry("keypointrcnn").name
    'keypointrcnn_resnet50_fpn'
    """
    plain = name.replace("-", "_")
    return MODELS.get(ALIASES.get(plain, plain))


def entry_of_file(file: str) -> CatalogueEntry | None:
    """The row that a weight file belongs to, by the file's name; None for a file of one's own.

    Files that lie in a folder of the model's name have names that others have, too.

    Examples
    --------
    >>> entry_of_file("pose_light.safetensors").licence
    'MIT'
    >>> entry_of_file("mine.onnx"), entry_of_file("")
    (None, None)
    """
    for entry in MODELS.values():
        named = (remote.name for remote in entry.files if not remote.has_own_folder)
        if (file and file == entry.bundled) or file in named:
            return entry
    return None


_COCO_TERMS: Final = "trained on COCO, whose images keep their Flickr terms"
_POSE_BYTES: Final = {50: 136_217_860, 101: 212_395_676, 152: 275_154_996}
_HRNET_BYTES: Final = {32: 114_364_132, 48: 254_703_652}
_FROM_COCO: Final = "started from COCO; finds the head's bottom and top instead of the eyes"
_DATA: Final = {
    "coco": "COCO 2017",
    "mpii": "MPII Human Pose",
    "posetrack18": "COCO 2017, then PoseTrack18",
}
_OPENMMLAB: Final = "https://download.openmmlab.com/mmpose/v1/projects"
_HUB: Final = "https://huggingface.co/Tau-J/RTMPose/resolve/main"
_BODY7: Final = "AI Challenger, COCO, CrowdPose, MPII, sub-JHMDB, Halpe, PoseTrack18"
_COCKTAIL: Final = "COCO-WholeBody and 13 further sets (Cocktail14), which have terms of their own"
_SKELETONS: Final = {"coco": "coco_17", "mpii": "mpii_16", "posetrack18": "posetrack_17"}


def _mmpose_file(name: str) -> RemoteFile:
    """A file of MMPose: ``...-HASH_DATE.pth``, where ``td-hm_`` begins the names of 1.x."""
    newer = name.startswith("td-hm_")
    older = "top_down/hrnet" if name.startswith("hrnet") else "top_down/resnet"
    folder = "v1/body_2d_keypoint/topdown_heatmap/coco" if newer else older
    return RemoteFile(
        f"https://download.openmmlab.com/mmpose/{folder}/{name}",
        name.rsplit("-", 1)[-1].split("_", maxsplit=1)[0],
        "mmpose1" if newer else "mmpose0",
    )


def _pose(
    depth: int, dataset: str, height_x_width: str, accuracy: str, *files: str, note: str = ""
) -> CatalogueEntry:
    """A pose ResNet of the paper, as trained by MMPose."""
    return _mmpose(
        f"pose_resnet{depth}", "pose_resnet", _POSE_BYTES[depth], dataset, height_x_width, accuracy,
        files, note, depth,
    )  # fmt: skip


def _hrnet(
    width: int, dataset: str, height_x_width: str, accuracy: str, *files: str, note: str = ""
) -> CatalogueEntry:
    """An HRNet, as trained by MMPose."""
    return _mmpose(
        f"hrnet_w{width}", "hrnet", _HRNET_BYTES[width], dataset, height_x_width, accuracy,
        files, note,
    )  # fmt: skip


def _mmpose(
    network: str,
    builder: str,
    size: int,
    dataset: str,
    height_x_width: str,
    accuracy: str,
    files: tuple[str, ...],
    note: str,
    depth: int | None = None,
) -> CatalogueEntry:
    height, width = (int(side) for side in height_x_width.split("x"))
    return CatalogueEntry(
        name=f"{network}_{dataset}_{height_x_width}",
        kind="pose",
        builder=builder,
        files=tuple(_mmpose_file(name) for name in files),
        size=size,
        input_size=(width, height),
        depth=depth,
        skeleton=_SKELETONS[dataset],
        mean=_MEAN,
        std=_STD,
        licence="Apache-2.0",
        training_data=_DATA[dataset],
        accuracy=accuracy,
        note=note or (_COCO_TERMS if dataset == "coco" else ""),
    )


def _torchvision(
    name: str,
    kind: Kind,
    file: str,
    mebibytes: float,
    accuracy: str,
    note: str = "",
    *,
    builder: str | None = None,
    skeleton: str | None = None,
    sha256: str | None = None,
) -> CatalogueEntry:
    """A network of torchvision: ``...-HASH.pth``; the builder has the model's name unless given.

    The whole SHA-256 where it is known, else the digits in the name count.

    Detectors normalise in the network, so that mean and std are None; RAFT takes [-1, 1].
    """
    scale = (0.5, 0.5, 0.5) if kind == "flow" else None
    return CatalogueEntry(
        name=name,
        kind=kind,
        builder=builder or name,
        files=(
            RemoteFile(
                f"https://download.pytorch.org/models/{file}",
                sha256 or file.rsplit("-", 1)[-1].removesuffix(".pth"),
                "torchvision",
            ),
        ),
        size=round(mebibytes * 2**20),
        skeleton=skeleton,
        mean=scale,
        std=scale,
        licence="BSD-3-Clause",
        training_data="Sintel, KITTI, HD1K, FlyingThings3D, FlyingChairs"
        if kind == "flow"
        else "COCO 2017",
        accuracy=accuracy,
        note="; ".join(filter(None, (note, _COCO_TERMS if kind == "detector" else ""))),
        finds_boxes=skeleton is not None,
    )


def _small_network(
    kind: Kind,
    file: str,
    size: int,
    accuracy: str,
    input_size: tuple[int, int],
    skeleton: str | None,
) -> CatalogueEntry:
    """A small network inside the package; its card there says more."""
    return CatalogueEntry(
        name=f"bundled_{kind}",
        kind=kind,
        builder="light",
        files=(),
        size=size,
        input_size=input_size,
        skeleton=skeleton,
        mean=_MEAN,
        std=_STD,
        licence="MIT",
        training_data="people rendered by this package",
        accuracy=accuracy,
        note="comes with the package; trained on rendered people only",
        bundled=file,
    )


def _openmmlab(
    name: str,
    kind: Kind,
    path: str,
    megabytes: float,
    accuracy: str,
    training_data: str,
    *,
    height_x_width: str = "640x640",
    skeleton: str | None = "coco_17",
    sha256: str = "",
    note: str = "",
    finds_boxes: bool = False,
) -> CatalogueEntry:
    """An ``onnx_sdk`` archive, from the hub's copy first: the publisher's host is often down."""
    height, width = (int(side) for side in height_x_width.split("x"))
    return CatalogueEntry(
        name=name,
        kind=kind,
        builder="onnx",
        files=tuple(RemoteFile(f"{root}/{path}", sha256, "onnx") for root in (_HUB, _OPENMMLAB)),
        size=round(megabytes * 1e6),
        input_size=(width, height),
        skeleton=skeleton,
        licence="Apache-2.0",
        training_data=training_data,
        accuracy=accuracy,
        note=note,
        finds_boxes=finds_boxes,
    )


def _rtmpose(
    letter: str,
    path: str,
    megabytes: float,
    accuracy: str,
    size: str = "256x192",
    sha256: str = "",
) -> CatalogueEntry:
    feet = "halpe26" in path
    return _openmmlab(
        f"rtmpose_{letter}{'_feet' * feet}",
        "pose",
        f"rtmposev1/onnx_sdk/{path}",
        megabytes,
        accuracy,
        _BODY7,
        height_x_width=size,
        skeleton="halpe_26" if feet else "coco_17",
        sha256=sha256,
    )


def _rtmo(letter: str, path: str, megabytes: float, accuracy: str) -> CatalogueEntry:
    note = "finds people by itself, without a detector"
    path = f"rtmo/onnx_sdk/{path}"
    return _openmmlab(
        f"rtmo_{letter}",
        "pose",
        path,
        megabytes,
        accuracy,
        _BODY7,
        note=note,
        finds_boxes=True,
    )


def _rtmw(letter: str, path: str, megabytes: float, accuracy: str, size: str) -> CatalogueEntry:
    return _openmmlab(
        f"rtmw_{letter}",
        "pose",
        f"rtmw/onnx_sdk/{path}",
        megabytes,
        accuracy,
        _COCKTAIL,
        height_x_width=size,
        skeleton="coco_wholebody_133",
        note="body, feet, face and hands",
    )


def _yolox(letter: str, path: str, megabytes: float, side: int) -> CatalogueEntry:
    """YOLOX for people."""
    return _openmmlab(
        f"yolox_{letter}_people",
        "detector",
        f"rtmposev1/onnx_sdk/{path}",
        megabytes,
        "none published",
        "COCO and HumanArt",
        height_x_width=f"{side}x{side}",
        skeleton=None,
        note="people only",
    )


def _yolox_coco(letter: str, megabytes: float, accuracy: str, side: int) -> CatalogueEntry:
    """YOLOX of its authors, from their releases."""
    root = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0"
    return CatalogueEntry(
        name=f"yolox_{letter}",
        kind="detector",
        builder="onnx",
        files=(RemoteFile(f"{root}/yolox_{letter}.onnx", "", "onnx"),),
        size=round(megabytes * 1e6),
        input_size=(side, side),
        licence="Apache-2.0",
        training_data="COCO 2017",
        accuracy=accuracy,
        note=_COCO_TERMS,
    )


def _posenet(width: str, bytes_: int) -> CatalogueEntry:
    """PoseNet as Google publishes it for TensorFlow.js: a graph model of 32-bit floats."""
    root = "https://storage.googleapis.com/tfjs-models/savedmodel/posenet/mobilenet/float"
    return CatalogueEntry(
        name=f"posenet_{width}",
        kind="pose",
        builder="posenet",
        finds_boxes=True,
        files=(RemoteFile(f"{root}/{width}/model-stride16.json", "", "tfjs"),),
        size=bytes_,
        skeleton="coco_17",
        licence="Apache-2.0",
        training_data="COCO",
        accuracy="none published",
        note="finds people by itself, without a detector; no hash is published, so the first "
        f"download counts; {_COCO_TERMS}",
    )


def _vitpose(
    name: str, repository: str, megabytes: float, accuracy: str, training_data: str = "COCO 2017"
) -> CatalogueEntry:
    """ViTPose as ``transformers`` loads it; the hub states each large file's hash by itself."""
    url = f"https://huggingface.co/usyd-community/{repository}/resolve/main/model.safetensors"
    return CatalogueEntry(
        name=name,
        kind="pose",
        builder="vitpose",
        files=(RemoteFile(url, "", "transformers"),),
        size=round(megabytes * 1e6),
        input_size=(192, 256),
        skeleton="coco_17",
        mean=_MEAN,
        std=_STD,
        licence="Apache-2.0",
        training_data=training_data,
        accuracy=accuracy,
        note=f"needs the extra posetrack[hf]; {_COCO_TERMS}",
    )


def _trt_pose(network: str, file: str, drive_id: str, bytes_: int) -> CatalogueEntry:
    """A network of NVIDIA's trt_pose, which is on Google Drive only."""
    return CatalogueEntry(
        name=f"trt_pose_{network}",
        kind="pose",
        builder="trt_pose",
        finds_boxes=True,
        files=(),
        size=bytes_,
        skeleton="coco_17_neck",
        licence="MIT",
        training_data="COCO",
        accuracy="none published",
        note=f"finds people by itself, without a detector; {_COCO_TERMS}",
        by_hand=f"get {file} in a browser from https://drive.google.com/open?id={drive_id} (the "
        "link in trt_pose's README) and give its path instead of the name",
    )


# Sources: the model zoo tables of MMPose 1.3.2 and 0.x (AP on COCO val2017 with person boxes of
# 56.4 AP, flip test on) and the metadata in torchvision 0.29.2. MMPose's 1.x table links, for
# ResNet-101 at 384x288, the file of 256x192 by mistake: that row here has the 0.x file alone.
_ROWS: Final = (
    _small_network(
        "pose",
        "pose_light.safetensors",
        6_854_730,
        "PCK@0.2 0.73, 12 people of COCO",
        (192, 256),
        "coco_17",
    ),
    _small_network(
        "detector",
        "person_detector.safetensors",
        4_058_018,
        "AP50 0.61, 14 boxes of COCO",
        (416, 256),
        None,
    ),
    _pose(
        50,
        "coco",
        "256x192",
        "COCO val AP 71.8",
        "td-hm_res50_8xb64-210e_coco-256x192-04af38ce_20220923.pth",
        "res50_coco_256x192-ec54d7f3_20200709.pth",
    ),
    _pose(
        50,
        "coco",
        "384x288",
        "COCO val AP 73.1",
        "td-hm_res50_8xb64-210e_coco-384x288-7b8db90e_20220923.pth",
        "res50_coco_384x288-e6f795e9_20200709.pth",
    ),
    _pose(
        101,
        "coco",
        "256x192",
        "COCO val AP 72.8",
        "td-hm_res101_8xb64-210e_coco-256x192-065d3625_20220926.pth",
        "res101_coco_256x192-6e6babf0_20200708.pth",
    ),
    _pose(
        101,
        "coco",
        "384x288",
        "COCO val AP 74.8",
        "res101_coco_384x288-8c71bdc9_20200709.pth",
    ),
    _pose(
        152,
        "coco",
        "256x192",
        "COCO val AP 73.6",
        "td-hm_res152_8xb32-210e_coco-256x192-0345f330_20220928.pth",
        "res152_coco_256x192-f6e307c2_20200709.pth",
    ),
    _pose(
        152,
        "coco",
        "384x288",
        "COCO val AP 75.0",
        "td-hm_res152_8xb32-210e_coco-384x288-7fbb906f_20220927.pth",
        "res152_coco_384x288-3860d4c9_20200709.pth",
    ),
    _pose(50, "mpii", "256x256", "MPII val PCKh 88.2", "res50_mpii_256x256-418ffc88_20200812.pth"),
    _pose(
        101, "mpii", "256x256", "MPII val PCKh 88.8", "res101_mpii_256x256-416f5d71_20200812.pth"
    ),
    _pose(
        152, "mpii", "256x256", "MPII val PCKh 88.9", "res152_mpii_256x256-3ecba29d_20200812.pth"
    ),
    _pose(
        50,
        "posetrack18",
        "256x192",
        "PoseTrack18 val AP 81.2, boxes given",
        "res50_posetrack18_256x192-a62807c7_20201028.pth",
        note=_FROM_COCO,
    ),
    _hrnet(
        32,
        "coco",
        "256x192",
        "COCO val AP 74.9",
        "td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth",
        "hrnet_w32_coco_256x192-c78dce93_20200708.pth",
    ),
    _hrnet(
        32,
        "coco",
        "384x288",
        "COCO val AP 76.1",
        "td-hm_hrnet-w32_8xb64-210e_coco-384x288-ca5956af_20220909.pth",
        "hrnet_w32_coco_384x288-d9f0d786_20200708.pth",
    ),
    _hrnet(
        48,
        "coco",
        "256x192",
        "COCO val AP 75.6",
        "td-hm_hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth",
        "hrnet_w48_coco_256x192-b9e0b3ab_20200708.pth",
    ),
    _hrnet(
        48,
        "coco",
        "384x288",
        "COCO val AP 76.7",
        "td-hm_hrnet-w48_8xb32-210e_coco-384x288-c161b7de_20220915.pth",
        "hrnet_w48_coco_384x288-314c8528_20200708.pth",
    ),
    _hrnet(
        32, "mpii", "256x256", "MPII val PCKh 90.0", "hrnet_w32_mpii_256x256-6c4f923f_20200812.pth"
    ),
    _hrnet(
        48, "mpii", "256x256", "MPII val PCKh 90.1", "hrnet_w48_mpii_256x256-92cab7bd_20200812.pth"
    ),
    _hrnet(
        32,
        "posetrack18",
        "256x192",
        "PoseTrack18 val AP 83.4, boxes given",
        "hrnet_w32_posetrack18_256x192-1ee951c4_20201028.pth",
        note=_FROM_COCO,
    ),
    _hrnet(
        32,
        "posetrack18",
        "384x288",
        "PoseTrack18 val AP 83.7, boxes given",
        "hrnet_w32_posetrack18_384x288-806f00a3_20211130.pth",
        note=_FROM_COCO,
    ),
    _hrnet(
        48,
        "posetrack18",
        "256x192",
        "PoseTrack18 val AP 84.6, boxes given",
        "hrnet_w48_posetrack18_256x192-b5d9b3f1_20211130.pth",
        note=_FROM_COCO,
    ),
    _hrnet(
        48,
        "posetrack18",
        "384x288",
        "PoseTrack18 val AP 84.6, boxes given",
        "hrnet_w48_posetrack18_384x288-5fd6d3ff_20211130.pth",
        note=_FROM_COCO,
    ),
    _rtmpose(
        "s",
        "rtmpose-s_simcc-body7_pt-body7_420e-256x192-acd4a1ef_20230504.zip",
        20.5,
        "COCO val AP 69.7",
        # As several projects have written it down that pin this archive.
        sha256="7673922e531014906ca4f0f239b7e233b740146a10b632deaa2a28d45470d802",
    ),
    _rtmpose(
        "m",
        "rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.zip",
        51,
        "COCO val AP 74.9",
    ),
    _rtmpose(
        "x",
        "rtmpose-x_simcc-body7_pt-body7_700e-384x288-71d7b7e9_20230629.zip",
        186,
        "COCO val AP 78.8",
        "384x288",
    ),
    _rtmpose(
        "s",
        "rtmpose-s_simcc-body7_pt-body7-halpe26_700e-256x192-7f134165_20230605.zip",
        21,
        "none published for COCO",
    ),
    _rtmpose(
        "m",
        "rtmpose-m_simcc-body7_pt-body7-halpe26_700e-256x192-4d3e73dd_20230605.zip",
        51,
        "none published for COCO",
    ),
    _rtmpose(
        "x",
        "rtmpose-x_simcc-body7_pt-body7-halpe26_700e-384x288-7fb6e239_20230606.zip",
        186,
        "none published for COCO",
        "384x288",
    ),
    _rtmw(
        "m",
        "rtmw-dw-l-m_simcc-cocktail14_270e-256x192_20231122.zip",
        120,
        "COCO-WholeBody val AP 58.2",
        "256x192",
    ),
    _rtmw(
        "l",
        "rtmw-dw-x-l_simcc-cocktail14_270e-384x288_20231122.zip",
        214,
        "COCO-WholeBody val AP 70.1",
        "384x288",
    ),
    _rtmo("s", "rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.zip", 37, "COCO val AP 68.6"),
    _rtmo("m", "rtmo-m_16xb16-600e_body7-640x640-39e78cc4_20231211.zip", 84, "COCO val AP 72.6"),
    _rtmo("l", "rtmo-l_16xb16-600e_body7-640x640-b37118ce_20231211.zip", 166, "COCO val AP 74.8"),
    _vitpose("vitpose_base", "vitpose-base-simple", 344, "COCO val AP 75.1"),
    _yolox("tiny", "yolox_tiny_8xb8-300e_humanart-6f3252f9.zip", 19, 416),
    _yolox("m", "yolox_m_8xb8-300e_humanart-c2c7a14a.zip", 94, 640),
    _yolox("x", "yolox_x_8xb8-300e_humanart-a39d44ed.zip", 367, 640),
    _yolox_coco("nano", 3.66, "COCO val box AP 25.8", 416),
    _yolox_coco("tiny", 20.2, "COCO val box AP 32.8", 416),
    _yolox_coco("s", 35.9, "COCO val box AP 40.5", 640),
    _yolox_coco("m", 101.3, "COCO val box AP 46.9", 640),
    _yolox_coco("l", 216.7, "COCO val box AP 49.7", 640),
    _yolox_coco("x", 396.5, "COCO val box AP 51.1", 640),
    _posenet("050", 2_000_000),
    _posenet("075", 5_100_000),
    _posenet("100", 13_400_000),
    _trt_pose(
        "resnet18",
        "resnet18_baseline_att_224x224_A_epoch_249.pth",
        "1XYDdCUdiF2xxx4rznmLb62SdOUZuoNbd",
        81_000_000,
    ),
    _trt_pose(
        "densenet121",
        "densenet121_baseline_att_256x256_B_epoch_160.pth",
        "13FkJkx7evQ1WwP54UmdiDXWyFMY1OxDU",
        84_000_000,
    ),
    CatalogueEntry(
        name="rfdetr_keypoint",
        kind="pose",
        finds_boxes=True,
        builder="onnx",
        files=(),
        size=165_000_000,
        input_size=(576, 576),
        skeleton="coco_17",
        licence="Apache-2.0",
        training_data="COCO",
        accuracy="COCO val2017 keypoint AP 71.8",
        note="finds people by itself, without a detector, and says how sure it is of each place; a "
        f"preview, whose weights may change; {_COCO_TERMS}",
        by_hand="let its own package make the ONNX file (pip install rfdetr; in Python "
        "rfdetr.RFDETRKeypointPreview().export()) and give the file's path instead of the name",
    ),
    _torchvision(
        "fasterrcnn_resnet50_fpn_v2",
        "detector",
        "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
        167.104,
        "COCO val box AP 46.7",
        "the most accurate detector here; for a GPU",
    ),
    _torchvision(
        "fasterrcnn_resnet50_fpn",
        "detector",
        "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth",
        159.743,
        "COCO val box AP 37.0",
        sha256="258fb6c638b15964ddcdd1ae0748c5eef1be9e732750120cc857feed3faac384",
    ),
    _torchvision(
        "fasterrcnn_mobilenet_v3_large_fpn",
        "detector",
        "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
        74.239,
        "COCO val box AP 32.8",
    ),
    _torchvision(
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        "detector",
        "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
        74.239,
        "COCO val box AP 22.8",
        "the fastest R-CNN here",
    ),
    _torchvision(
        "retinanet_resnet50_fpn_v2",
        "detector",
        "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth",
        146.037,
        "COCO val box AP 41.5",
    ),
    _torchvision(
        "fcos_resnet50_fpn",
        "detector",
        "fcos_resnet50_fpn_coco-99b0c9b7.pth",
        123.608,
        "COCO val box AP 39.2",
    ),
    _torchvision(
        "ssdlite320_mobilenet_v3_large",
        "detector",
        "ssdlite320_mobilenet_v3_large_coco-a79551df.pth",
        13.418,
        "COCO val box AP 21.3",
        "the smallest file",
    ),
    _torchvision(
        "keypointrcnn_resnet50_fpn",
        "detector",
        "keypointrcnn_resnet50_fpn_coco-fc266e95.pth",
        226.054,
        "COCO val AP 54.6 of people, 65.0 of keypoints",
        "knows people only; as a pose network it finds boxes and keypoints in one pass",
        skeleton="coco_17",
    ),
    _torchvision(
        "raft_large",
        "flow",
        "raft_large_C_T_SKHT_V2-ff5fadd5.pth",
        20.129,
        "Sintel test end-point error 1.82 clean, 3.07 final",
        "for a GPU; torchvision's default",
    ),
    _torchvision(
        "raft_large_c_t_v2",
        "flow",
        "raft_large_C_T_V2-1bb1363a.pth",
        20.129,
        "Sintel train end-point error 1.38 clean, 2.72 final",
        "for a GPU; never trained on Sintel, which it is measured on",
        builder="raft_large",
    ),
    _torchvision(
        "raft_small",
        "flow",
        "raft_small_C_T_V2-01064c6d.pth",
        3.821,
        "Sintel train end-point error 1.99 clean, 3.28 final",
        "for a GPU; never trained on Sintel, which it is measured on",
    ),
)

ALIASES: Final[Mapping[str, str]] = {"keypointrcnn": "keypointrcnn_resnet50_fpn"}
"""Short names of rows."""

MODELS: Final[Mapping[str, CatalogueEntry]] = MappingProxyType({card.name: card for card in _ROWS})
"""By name."""
