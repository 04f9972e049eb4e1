from __future__ import annotations

import hashlib
from types import MappingProxyType

import numpy as np
import pytest
from weight_server import Served, serving

from posetrack import Detections, Tracker, defaults
from posetrack.models import MODELS, ModelCard, RemoteFile

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")


@pytest.fixture(scope="module")
def contents(tmp_path_factory) -> dict[str, bytes]:
    """Files as they are published, of small networks whose weights are drawn at random."""
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large
    from torchvision.models.optical_flow import raft_small

    from posetrack.networks.pose_resnet import PoseResNet

    torch.manual_seed(0)
    pose = PoseResNet(18, 17, deconv_channels=(16, 16, 16)).state_dict()
    named = {
        ("keypoint_head." if name.startswith(("deconv", "final")) else "backbone.") + name: value
        for name, value in pose.items()
    }
    networks = {
        "pose": {"meta": {}, "state_dict": named},
        "detector": ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None).state_dict(),
        "flow": raft_small(weights=None).state_dict(),
    }
    path = tmp_path_factory.mktemp("published") / "file.pth"
    files = {}
    for kind, network in networks.items():
        torch.save(network, path)
        files[kind] = path.read_bytes()
    return files


@pytest.fixture
def server(contents, monkeypatch, tmp_path):
    """A server with these files, and a table in which they are the defaults."""
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path))
    monkeypatch.delenv("POSETRACK_OFFLINE", raising=False)
    # Torch alone runs the pose network: exporting it to others takes seconds, and is not ours.
    monkeypatch.setattr("posetrack.estimators.runtimes.find_spec", lambda _: None)
    with serving() as running:

        def card(like: ModelCard, name: str, builder: str) -> ModelCard:
            content = contents[like.kind]
            running.files[f"/{name}.pth"] = Served(content)
            file = RemoteFile(
                f"{running.url}/{name}.pth",
                hashlib.sha256(content).hexdigest()[:8],
                like.files[0].layout,
            )
            facts = {**vars(like), "name": name, "builder": builder, "files": (file,)}
            return ModelCard(**{**facts, "size": len(content)})

        pose, flow = MODELS[defaults.ESTIMATOR], MODELS["raft_small"]
        boxes = MODELS[defaults.DETECTOR_ON_CPU]
        cards = [
            card(pose, defaults.ESTIMATOR, "pose_resnet"),
            card(boxes, defaults.DETECTOR_ON_CPU, "ssdlite320_mobilenet_v3_large"),
            card(boxes, defaults.DETECTOR_ON_GPU, "ssdlite320_mobilenet_v3_large"),
            card(flow, "raft_small", "raft_small"),
        ]
        table = MappingProxyType({each.name: each for each in cards})
        monkeypatch.setattr("posetrack.models.MODELS", table)
        monkeypatch.setattr(defaults, "MODELS", table)
        yield running


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """On a busy machine threads of torch wait for each other longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


IMAGE = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


def test_the_defaults_are_in_the_table_and_of_the_right_kind():
    assert MODELS[defaults.ESTIMATOR].kind == "pose"
    assert MODELS[defaults.ESTIMATOR].files[0].sha256 == "04af38ce"
    assert MODELS[defaults.DETECTOR_ON_CPU].kind == "detector"
    assert MODELS[defaults.DETECTOR_ON_GPU].kind == "detector"


def test_the_default_estimator_is_fetched_once_and_finds_poses(server):
    estimate = defaults.default_estimator("cpu")
    poses = estimate(IMAGE, Detections([[10, 10, 60, 110]], [0.9]))
    assert poses.skeleton.name == "coco_17"
    assert np.isfinite(poses.xy).all()
    defaults.default_estimator("cpu", flip_test=True)
    assert server.paths() == [f"/{defaults.ESTIMATOR}.pth"]


def test_the_default_estimator_is_set_up_as_its_row_says(server):
    estimate = defaults.default_estimator("cpu", padding=1.5)
    assert estimate.input_size == (192, 256)
    assert estimate.normalisation.rgb
    assert estimate.normalisation.mean == (0.485, 0.456, 0.406)
    assert estimate.padding == 1.5


def test_the_default_detector_takes_an_image_and_settings(server):
    detect = defaults.default_detector("cpu", min_score=0.25)
    assert isinstance(detect(IMAGE), Detections)
    assert detect.min_score == 0.25
    assert server.paths() == [f"/{defaults.DETECTOR_ON_CPU}.pth"]


@pytest.mark.parametrize(
    ("device", "cuda_is_here", "expected"),
    [
        ("auto", True, defaults.DETECTOR_ON_GPU),
        ("auto", False, defaults.DETECTOR_ON_CPU),
        ("cuda:1", True, defaults.DETECTOR_ON_GPU),
        ("cpu", True, defaults.DETECTOR_ON_CPU),
    ],
)
def test_the_detector_is_chosen_for_the_device(monkeypatch, device, cuda_is_here, expected):
    chosen = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda_is_here)
    monkeypatch.setattr(defaults, "build_detector", lambda name, **_: chosen.append(name))
    defaults.default_detector(device)
    assert chosen == [expected]


def test_the_default_flow_needs_no_weights(server):
    flow = defaults.default_flow("cpu")
    assert flow.move(flow.prepare(IMAGE), flow.prepare(IMAGE), np.ones((2, 2)))[0].shape == (2, 2)
    assert server.asked == []


def test_a_flow_network_is_built_by_name(server):
    flow = defaults.build_flow("raft-small", device="cpu", updates=1)
    before = flow.prepare(IMAGE)
    assert flow.move(before, before, np.full((1, 2), 50.0))[0].shape == (1, 2)


def test_a_tracker_alone_fetches_its_networks_when_they_are_first_needed(server):
    tracker = Tracker(device="cpu")
    assert server.asked == []
    tracker.update(IMAGE)
    assert set(server.paths()) >= {f"/{defaults.DETECTOR_ON_CPU}.pth"}


def test_offline_without_the_files_names_the_ways_out(server):
    for build in (defaults.default_detector, defaults.default_estimator):
        with pytest.raises(FileNotFoundError, match="What you can do"):
            build("cpu", offline=True)
    assert server.asked == []


def test_progress_is_reported(server, contents):
    seen = []
    defaults.default_detector("cpu", progress=lambda done, _: seen.append(done))
    assert seen[-1] == len(contents["detector"])


def test_a_published_file_is_known_by_its_hash_whatever_its_name(server, contents, tmp_path):
    path = tmp_path / "renamed.bin"
    path.write_bytes(contents["detector"])
    assert isinstance(defaults.build_detector(path, device="cpu")(IMAGE), Detections)
    assert server.asked == []


def test_a_file_that_is_not_in_the_table_is_refused(server, tmp_path):
    path = tmp_path / "mine.pth"
    path.write_bytes(b"something")
    with pytest.raises(ValueError, match="none of the files of the detector models"):
        defaults.build_detector(path, device="cpu")


def test_a_name_of_another_kind_is_refused_with_those_of_the_right_one(server):
    with pytest.raises(ValueError, match="is a pose model; expected a detector") as caught:
        defaults.build_detector(defaults.ESTIMATOR, device="cpu")
    assert defaults.DETECTOR_ON_CPU in str(caught.value)


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="no model is called"):
        defaults.build_estimator("pose_resnet51_coco_256x192")
