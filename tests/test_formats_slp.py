"""SLEAP's files: analysis without tracks, and projects through sleap-io."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import posetrack
from posetrack import COCO_17, Trajectories
from posetrack.formats.slp import read_slp_labels, write_slp


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    """Two instances a frame and no tracks, as SLEAP exports what it did not track."""
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        tracks = np.arange(2 * 2 * 1 * 3, dtype=float).reshape(2, 2, 1, 3)
        tracks[1, :, :, 2] = np.nan
        file.create_dataset("tracks", data=tracks)
        file.create_dataset("node_names", data=[b"paw"])
        file.create_dataset("track_names", data=np.array([], "S1"))
    return tmp_path / "a.h5"


def test_instances_without_tracks_have_no_identities(analysis: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.h5: 2 instances a frame and no tracks; link"):
        posetrack.load(analysis, rate=10)
    made = posetrack.load(analysis, rate=10, untracked=True)
    assert made.ids.tolist() == [1, 2]
    assert made.present.tolist() == [[True, True], [True, True], [True, False]]
    assert posetrack.load(analysis, rate=10, untracked="keep").ids.tolist() == [-2, -1]


def test_one_instance_a_frame_is_one_track(analysis: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(analysis, "a") as file:
        one = file["tracks"][:1]
        del file["tracks"]
        file.create_dataset("tracks", data=one)
    assert posetrack.load(analysis, rate=10).ids.tolist() == [1]


def walk(**metadata: Any) -> Trajectories:
    rng = np.random.default_rng(3)
    xy = rng.uniform(0, 900, (6, 2, 17, 2))
    xy[:, :, 3] = np.nan
    xy[4, 1] = np.nan
    frame = np.array([2, 3, 4, 6, 7, 9])
    scores = rng.uniform(0.1, 1, xy.shape[:3])
    return Trajectories(frame, frame / 25, [4, 7], xy, scores, COCO_17, metadata=metadata)


def test_sleap_io_finds_skeleton_scores_tracks_and_video(tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")
    made = walk(provenance={"source": {"file": "clips/a.mp4"}})
    write_slp(tmp_path / "w.slp", made.to_table())
    labels = sleap_io.load_slp(str(tmp_path / "w.slp"), open_videos=False)
    assert [track.name for track in labels.tracks] == ["id_4", "id_7"]
    assert labels.videos[0].filename == "clips/a.mp4"
    assert labels.skeletons[0].node_names == list(COCO_17.keypoints)
    assert np.array_equal(labels.skeletons[0].edge_inds, COCO_17.edge_indices)
    frame = labels.labeled_frames[1]
    assert frame.frame_idx == 3
    np.testing.assert_array_equal(frame.instances[1].numpy(), made.xy[1, 1])
    np.testing.assert_allclose(frame.instances[1].points["score"], made.scores[1, 1])


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A corrected prediction, and a label of no track in the next frame."""
    sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")
    skeleton = sleap_io.Skeleton(["a", "b"], edges=[("a", "b")])
    video = sleap_io.Video("clips/x.mp4", open_backend=False)
    ada = sleap_io.Track("Ada")
    predicted = sleap_io.PredictedInstance.from_numpy(
        np.array([[1.0, 2], [3, 4]]), skeleton, np.array([0.5, 0.25]), 0.7, track=ada
    )
    by_hand = sleap_io.Instance.from_numpy(
        np.array([[1.5, 2], [np.nan, np.nan]]), skeleton, track=ada, from_predicted=predicted
    )
    alone = sleap_io.Instance.from_numpy(np.array([[5.0, 6], [7, 8]]), skeleton)
    frames = [
        sleap_io.LabeledFrame(video=video, frame_idx=5, instances=[predicted, by_hand]),
        sleap_io.LabeledFrame(video=video, frame_idx=6, instances=[alone]),
        sleap_io.LabeledFrame(video=video, frame_idx=7, instances=[predicted]),
    ]
    sleap_io.save_slp(sleap_io.Labels(frames), str(tmp_path / "p.slp"))
    return tmp_path / "p.slp"


def test_a_project_has_predictions_and_what_corrected_them(project: Path) -> None:
    made = posetrack.load(project, rate=10, untracked="keep")
    assert made.frame.tolist() == [5, 6, 7]
    assert made.ids.tolist() == [-1, 1]
    assert made.metadata["individuals"] == {"1": "Ada"}
    assert made.skeleton.edges == (("a", "b"),)
    assert made.xy[0, 1, 0].tolist() == [1.5, 2]
    assert made.scores[2, 1].tolist() == [0.5, 0.25]
    assert made.metadata["provenance"] == {"source": {"file": "clips/x.mp4"}}


def test_labels_of_a_project_are_those_by_hand(project: Path) -> None:
    labels = read_slp_labels(project)
    assert [(image.name, len(image.people)) for image in labels.images] == [
        ("clips/x.mp4/5", 1),
        ("clips/x.mp4/6", 1),
        ("clips/x.mp4/7", 0),
    ]


@pytest.mark.parametrize("part", ["metadata", "frames", "instances"])
def test_a_damaged_project_is_refused(project: Path, part: str) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(project, "a") as file:
        del file[part]
    with pytest.raises(ValueError, match=r"p\.slp: "):
        posetrack.load(project, rate=10)


def test_a_link_out_of_a_project_is_refused(project: Path, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(project, "a") as file:
        del file["frames"]
        file["frames"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/frames")
    with pytest.raises(ValueError, match=r"p\.slp: 'frames' lies in other files"):
        posetrack.load(project, rate=10)


def test_names_of_no_tracks_may_be_numbers(analysis: Path) -> None:
    """h5py makes an empty list one of numbers, and so do SLEAP's own files."""
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    with h5py.File(analysis, "a") as file:
        del file["track_names"]
        file.create_dataset("track_names", data=[])
    assert posetrack.load(analysis, rate=10, untracked=True).ids.tolist() == [1, 2]


def test_analysis_csv_is_read_with_tracks_or_without(tmp_path: Path) -> None:
    path = tmp_path / "walk.analysis.csv"
    head = "track,frame_idx,instance.score,paw.x,paw.y,paw.score,ear.x,ear.y,ear.score\n"
    path.write_text(f"{head}b_7,0,0.9,1,2,0.5,,,\nb_3,0,0.8,5,6,,7,8,0.25\nb_7,4,0.7,3,4,1,9,9,1\n")
    made = posetrack.load(path, rate=10)
    assert made.skeleton.keypoints == ("paw", "ear")
    assert made.ids.tolist() == [3, 7]
    assert made.frame.tolist() == [0, 4]
    np.testing.assert_array_equal(made.xy[0], [[[5, 6], [7, 8]], [[1, 2], [np.nan, np.nan]]])
    np.testing.assert_array_equal(made.scores[0], [[1, 0.25], [0.5, 0]])
    path.write_text(f"{head},0,,1,2,,3,4,\n,0,,5,6,,7,8,\n")
    with pytest.raises(ValueError, match=r"walk\.analysis\.csv: person 0 .* has no identity"):
        posetrack.load(path, rate=10)
    assert posetrack.load(path, rate=10, untracked=True).xy[0, :, 0, 0].tolist() == [1, 5]
    path.write_text(f"{head}b_7,0,0.9,1,two,0.5,,,\n")
    with pytest.raises(ValueError, match=r"line 2: 'paw\.y': .*'two'"):
        posetrack.load(path, rate=10)


def test_a_project_that_does_not_say_its_version_is_the_first(tmp_path: Path) -> None:
    pytest.importorskip("sleap_io", reason="needs sleap-io")
    h5py = pytest.importorskip("h5py", reason="needs h5py")
    made = walk()
    write_slp(tmp_path / "w.slp", made.to_table())
    with h5py.File(tmp_path / "w.slp", "a") as file:
        version = file["metadata"].attrs["format_id"]
        del file["metadata"].attrs["format_id"]
        instances = file["instances"][:]
        del file["instances"]  # of which later versions say how sure the tracking was
        names = [name for name in instances.dtype.names if name != "tracking_score"]
        kinds = [(name, instances.dtype[name]) for name in names]
        first = np.array([tuple(row[name] for name in names) for row in instances], kinds)
        file.create_dataset("instances", data=first)
        for name in ("points", "pred_points"):  # version 1.0 has places from the pixel's corner
            points = file[name][:]
            points["x"] += 0.5
            points["y"] += 0.5
            file[name][:] = points
    assert version > 1
    found = posetrack.load(tmp_path / "w.slp", rate=25)
    np.testing.assert_allclose(found.xy, made.xy, rtol=1e-6)
