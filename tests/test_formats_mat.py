"""MATLAB files: read in a process of their own, within bounds, damaged or not."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from posetrack.cli import main
from posetrack.formats.mat import read_mat
from posetrack.formats.mpii import read_mpii_predictions, read_mpii_truth

NAMES = ("preds", "few", "joints", "flags")


def valid(path: Path, *, packed: bool = False) -> Path:
    joints = np.empty((1, 2), object)
    joints[0, 0], joints[0, 1] = "rank", "lkne"
    content = {
        "preds": np.arange(12.0).reshape(2, 3, 2),
        "few": np.array([[1, 2]], np.uint8),
        "joints": joints,
        "flags": np.array([[True, False]]),
        "unwanted": {"a": 1},
    }
    savemat(path, content, do_compression=packed)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_numbers_and_texts_come_back_as_they_were_saved(packed: bool, tmp_path: Path) -> None:
    found = read_mat(valid(tmp_path / "a.mat", packed=packed), (*NAMES, "absent"))
    assert sorted(found) == sorted(NAMES)
    assert np.array_equal(found["preds"], np.arange(12.0).reshape(2, 3, 2))
    assert np.array_equal(found["few"], [[1, 2]])
    assert np.array_equal(found["flags"], [[1, 0]])
    assert found["joints"] == ["rank", "lkne"]


def test_a_struct_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.mat.*'unwanted' is neither numbers nor texts"):
        read_mat(valid(tmp_path / "a.mat"), ("unwanted",))


def test_a_damaged_file_that_ends_scipys_process_is_an_error(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shared / "cases" / "crash1.mat"
    if not found.is_file():
        pytest.skip("the damaged file is not beside this checkout")
    # Its one variable's name is damaged, too; under the right one it is read, and breaks scipy.
    damaged = tmp_path / "crash.mat"
    damaged.write_bytes(found.read_bytes().replace(b"\xc3\xa9\0\0\0", b"preds"))
    with pytest.raises(ValueError, match=r"crash\.mat: a damaged MATLAB file: scipy broke down"):
        read_mpii_predictions(damaged)
    for truth, pred in ((found, damaged), (damaged, found)):
        assert main(["eval", "mpii", "--gt", str(truth), "--pred", str(pred)]) == 1
        told = capsys.readouterr().err
        assert str(truth) in told
        assert len(told.splitlines()) == 1


def test_whatever_is_changed_in_a_file_it_is_read_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = valid(tmp_path / "whole.mat").read_bytes()
    path = tmp_path / "changed.mat"
    refused = []
    for _ in range(6):
        changed = np.frombuffer(whole, np.uint8).copy()
        places = rng.integers(128, len(changed), 6)
        changed[places] = rng.integers(0, 256, 6)
        path.write_bytes(changed.tobytes())
        try:
            read_mat(path, NAMES)
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 1
    assert all(str(path) in line and "\n" not in line for line in refused)


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = valid(tmp_path / "cut.mat")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"cut\.mat: not a MATLAB file"):
        read_mat(path, NAMES)


def test_a_file_that_unpacks_to_more_than_allowed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.mat"
    savemat(path, {"preds": np.zeros((1000, 1000))}, do_compression=True)
    assert path.stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"bomb\.mat.*unpacks to more than 1,000,000 bytes"):
        read_mat(path, ("preds",), max_bytes=1_000_000)


def test_a_file_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"slow\.mat.*took over 0\.001 seconds"):
        read_mat(valid(tmp_path / "slow.mat"), NAMES, max_seconds=0.001)


def test_numbers_where_texts_are_expected_are_named(tmp_path: Path) -> None:
    path = tmp_path / "gt.mat"
    savemat(path, {"pos_gt_src": "no numbers", "jnt_missing": 1.0, "headboxes_src": 1.0})
    with pytest.raises(ValueError, match=r"gt\.mat: no numbers called pos_gt_src"):
        read_mpii_truth(path)
