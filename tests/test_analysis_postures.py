"""Postures: the arrays say what scikit-learn says; files run no code."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from analysis_made import body, of_people
from hypothesis import given
from hypothesis import strategies as st

from posetrack import analysis
from posetrack.analysis.posture_training import Trained, train_postures
from posetrack.analysis.postures import features_of
from posetrack.cli import main
from posetrack.trajectories import Trajectories, save
from posetrack.world import motion

sklearn_svm = pytest.importorskip("sklearn.svm")
DOING = {"standing": motion.standing, "raising": motion.wave_arms, "push-up": motion.push_ups}


@lru_cache
def labelled(seed: int = 0) -> tuple[Trajectories, dict[tuple[int, int], str]]:
    """Six people, two of each posture, seen from different sides."""
    who, rng = body(), np.random.default_rng(seed)
    names = [name for name in DOING for _ in range(2)]
    people = [(who, DOING[name](who, (0, 0), float(rng.uniform(-3, 3)))) for name in names]
    tr = of_people(people, frames=30, rate=10, noise=1.0)
    labels = {(t, n + 1): name for t in range(0, 30, 2) for n, name in enumerate(names)}
    return tr, labels


@lru_cache
def trained() -> Trained:
    return train_postures([labelled()])


def test_postures_of_people_not_seen_are_told_and_the_score_is_held_out() -> None:
    assert trained().classifier.labels == ("push-up", "raising", "standing")
    assert trained().folds == 2
    assert trained().accuracy > 0.8
    assert trained().confusion.sum() == len(labelled()[1])
    tr, labels = labelled(7)
    told = trained().classifier.apply(tr)
    right = [told[t, who - 1] == label for (t, who), label in labels.items()]
    assert np.mean(right) > 0.8


@pytest.mark.parametrize("kinds", [2, 3, 4])
def test_the_arrays_decide_as_scikit_learn_does(kinds) -> None:
    rng = np.random.default_rng(kinds)
    tr, _ = labelled()
    labels = {(t, 1 + t % 6): f"kind {rng.integers(kinds)}" for t in range(30)}
    made = train_postures([(tr, labels)], penalty=3.0).classifier
    poses = np.array([tr.xy[t, who - 1] for t, who in labels])
    standard = (features_of(poses) - made.mean) / made.scale
    machine = sklearn_svm.SVC(C=3.0, gamma=made.gamma, class_weight="balanced")
    machine.fit(standard, list(labels.values()))
    others = features_of(labelled(7)[0].xy.reshape(-1, 17, 2))
    expected = machine.predict((others - made.mean) / made.scale).tolist()
    assert made.predict(others) == expected
    assert len(set(expected)) > 1


@given(st.integers(0, 99), st.floats(0.1, 50), st.floats(-99, 99))
def test_features_know_neither_place_nor_size(seed, scale, shift) -> None:
    xy = np.random.default_rng(seed).uniform(0, 10, (1, 17, 2))
    np.testing.assert_allclose(features_of(scale * xy + shift), features_of(xy), atol=1e-6)


def test_missing_keypoints_count_as_the_mean_and_too_few_have_no_posture() -> None:
    tr, _ = labelled()
    xy = tr.xy.copy()
    xy[:, :, 15:] = np.nan
    xy[5, 0, :12] = np.nan
    told = trained().classifier.apply(replace(tr, xy=xy))
    assert told[5, 0] == ""
    assert (told[:5] != "").all()


def test_a_saved_classifier_comes_back_the_same(tmp_path: Path) -> None:
    path = tmp_path / "postures.npz"
    analysis.save_postures(trained().classifier, path)
    back = analysis.load_postures(path)
    rows = features_of(np.random.default_rng(0).normal(0, 1, (50, 17, 2)))
    np.testing.assert_array_equal(back.votes(rows), trained().classifier.votes(rows))
    assert (back.labels, back.keypoints) == (
        trained().classifier.labels,
        trained().classifier.keypoints,
    )


class Evil:
    """Would write a file if it were ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


def test_pickles_are_refused_and_never_run(tmp_path: Path) -> None:
    sign, path = tmp_path / "was run", tmp_path / "postures.npz"
    path.write_bytes(pickle.dumps(Evil(sign)))
    with pytest.raises(ValueError, match=r"postures\.npz: not a classifier"):
        analysis.load_postures(path)
    analysis.save_postures(trained().classifier, path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays["mean"] = np.array([Evil(sign)], dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"postures\.npz: not a classifier"):
        analysis.load_postures(path)
    assert not sign.exists()


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mean", lambda a: a[:-1]),
        ("vectors", lambda a: a * np.nan),
        ("counts", lambda a: a + 0.5),
        ("counts", lambda a: -a),
        ("header", lambda a: a[:-5]),
        ("header", lambda a: np.frombuffer(json.dumps({"format": "x"}).encode(), np.uint8)),
    ],
)
def test_broken_files_are_refused_by_name(tmp_path: Path, name, change) -> None:
    path = tmp_path / "postures.npz"
    analysis.save_postures(trained().classifier, path)
    with np.load(path) as file:
        arrays = dict(file)
    arrays[name] = change(arrays[name])
    np.savez(path, **arrays)
    with pytest.raises(ValueError, match=r"postures\.npz: not a classifier"):
        analysis.load_postures(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"postures\.npz: not a classifier"):
        analysis.load_postures(path)


def test_labels_that_fit_nothing_are_refused(tmp_path: Path) -> None:
    tr, _ = labelled()
    with pytest.raises(ValueError, match="no person 99 in frame 0"):
        train_postures([(tr, {(0, 99): "a", (0, 1): "b"})])
    with pytest.raises(ValueError, match="at least two postures"):
        train_postures([(tr, {(0, 1): "a", (1, 1): "a"})])
    path = tmp_path / "labels.csv"
    for text, message in (
        ("frame,id\n0,1\n", "expected columns frame, id, label"),
        ("frame,id,label\n0,one,a\n", "line 2: frame and id must be whole"),
        ("frame,id,label\n0,1,a\n0,1,b\n", "line 3: expected one label"),
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=message):
            analysis.read_labels(path)


def test_the_command_trains_and_applies(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tr, labels = labelled()
    tracks, csv, model = (tmp_path / name for name in ("t.parquet", "l.csv", "m.npz"))
    save(tr, tracks)
    lines = [f"{frame},{who},{label}" for (frame, who), label in labels.items()]
    csv.write_text("\n".join(["frame,id,label", *lines]))
    assert main(["postures", "train", str(tracks), str(csv), "-o", str(model)]) == 0
    assert "accuracy" in capsys.readouterr().out
    out = tmp_path / "p.csv"
    assert main(["postures", "apply", str(tracks), "--model", str(model), "-o", str(out)]) == 0
    assert out.read_text().splitlines()[1] == "0,0.000000,1,standing"
    assert main(["postures", "apply", str(tracks), "--model", str(csv), "-o", str(out)]) == 1
    assert "not a classifier" in capsys.readouterr().err
