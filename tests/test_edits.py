"""Edits of identities: their text, what they do, and finding the same people in another run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cleaning_made import idf1, jittered, walkers
from hypothesis import given
from hypothesis import strategies as st

import posetrack
from posetrack import Trajectories
from posetrack.audit.edits import (
    add_edit,
    anchors_of,
    apply_edits,
    follow,
    load_anchors,
    parse_edits,
    save_anchors,
)
from posetrack.cleaning import undo
from posetrack.cli import main
from posetrack.trajectories import NOBODY, save
from posetrack.trajectories.identities import labels_of, relabel


@pytest.fixture(scope="session")
def truth() -> Trajectories:
    """Three who walk side by side, ids 1 to 3, 60 frames at 30 a second."""
    return walkers(60, 3)


def edited(tr: Trajectories, *lines: str) -> Trajectories:
    return apply_edits(tr, parse_edits("\n".join(lines)))


def same(first: Trajectories, second: Trajectories) -> bool:
    return first.ids.tolist() == second.ids.tolist() and np.array_equal(
        first.xy, second.xy, equal_nan=True
    )


def test_every_kind_of_line_is_read_and_written_the_same() -> None:
    lines = [
        "swap 3 5 from 12.4s",
        "swap 3 5 12.4s..14s",
        "merge 7 into 3",
        "split 4 at 8.2s",
        "split 4 at f120 as 9",
        "delete 6",
        "delete 6 from f3",
        "delete 6 f3..2.5s",
        "rename 2 to 10",
        "rename 2 to 10 f1..f9",
    ]
    text = "# by hand\n\n" + "\n".join(f"  {line}   # why" for line in lines)
    assert [str(edit) for edit in parse_edits(text)] == lines


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("swop 1 2", "no edit 'swop' (did you mean 'swap'?); there are swap, merge"),
        ("swap 1 2", "expected swap ID ID from TIME"),
        ("swap 1 1 from 2s", "1 cannot be swapped with itself"),
        ("swap 1 2 from 12.4", "expected a time such as 12.4s, or a frame such as f120"),
        ("swap 1 2 5s..4s", "ends before it begins"),
        ("merge 7 3", "expected merge ID into ID"),
        ("merge 7 into seven", "expected an id such as 3, got 'seven'"),
        ("split 4 at 8.2s as 0", "expected an id such as 3, got '0'"),
        ("delete 6 till 3s", "for the time"),
        ("rename 2 to 2", "2 is 2 already"),
    ],
)
def test_a_wrong_line_is_refused_by_its_number(line: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"my\.txt: line 3: ") as raised:
        parse_edits(f"# one\ndelete 1\n{line}\n", "my.txt")
    assert message in str(raised.value)


def test_a_swap_is_from_its_frame_on_and_undone_by_itself(truth: Trajectories) -> None:
    once = edited(truth, "swap 1 3 from 1s")
    assert np.array_equal(once.xy[:30], truth.xy[:30])
    assert np.array_equal(once.xy[30:, 0], truth.xy[30:, 2])
    assert same(edited(once, "swap 1 3 from f30"), truth)


def test_a_range_ends_before_its_end(truth: Trajectories) -> None:
    once = edited(truth, "swap 1 2 f10..f20")
    changed = (once.xy[:, 0] != truth.xy[:, 0]).any(axis=(1, 2))
    assert np.flatnonzero(changed).tolist() == list(range(10, 20))


def test_a_split_is_mended_by_a_merge(truth: Trajectories) -> None:
    once = edited(truth, "split 2 at f25")
    assert once.ids.tolist() == [1, 2, 3, 4]
    assert once.present[:, 3].sum() == 35
    assert same(edited(once, "merge 4 into 2"), truth)


def test_deleted_and_renamed(truth: Trajectories) -> None:
    once = edited(truth, "delete 2", "rename 3 to 2 from f30", "delete 1 f0..f10")
    assert once.ids.tolist() == [1, 2, 3]
    assert once.present.sum(axis=0).tolist() == [50, 30, 30]
    assert len(once) == len(truth)


def test_later_lines_mean_ids_as_earlier_ones_left_them(truth: Trajectories) -> None:
    once = edited(truth, "rename 1 to 9", "swap 9 2 from f0", "split 9 at f5 as 1")
    assert np.array_equal(once.xy[5:, once.ids.tolist().index(1)], truth.xy[5:, 1])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("merge 2 into 1", "2 and 1 are both there in 60 frames, first in frame 0 (0.00 s)"),
        ("rename 2 to 1 from 1s", "both there in 30 frames, first in frame 30 (1.00 s)"),
        ("merge 8 into 1", "nobody has the id 8; there are [1, 2, 3]"),
        ("merge 1 into 8", "nobody has the id 8; to give another number, rename"),
        ("delete 2 from 99s", "2 is there from 0.00 s to 1.97 s"),
        ("split 2 at 1s as 3", "there is a 3 already"),
        ("swap 1 9 from 99s", "nobody has the id 9"),
    ],
)
def test_what_cannot_be_is_refused_by_name_and_time(
    truth: Trajectories, line: str, message: str
) -> None:
    with pytest.raises(ValueError, match=line) as raised:
        edited(truth, "swap 1 2 from f5", "swap 1 2 from f5", line)
    assert message in str(raised.value)


def test_edits_are_recorded_and_the_original_is_as_it_was(truth: Trajectories) -> None:
    before = truth.xy.copy()
    once = edited(edited(truth, "delete 2"), "swap 1 3 from 1s")
    assert once.metadata["provenance"]["edited"] == ["delete 2", "swap 1 3 from 1s"]
    assert np.array_equal(truth.xy, before)


def test_raw_values_go_along(truth: Trajectories) -> None:
    from posetrack.cleaning import butterworth

    clean = butterworth(jittered(truth))
    once = edited(clean, "swap 1 2 from f30")
    assert same(undo(once), undo(clean))


@given(st.lists(st.permutations([1, 2, 3]), min_size=4, max_size=4))
def test_people_under_other_ids_come_back_under_their_own(orders: list[list[int]]) -> None:
    xy = np.random.default_rng(0).uniform(0, 50, (4, 3, 17, 2))
    tr = Trajectories(range(4), range(4), [1, 2, 3], xy, np.ones((4, 3, 17)), posetrack.COCO_17)
    mixed = relabel(tr, np.array(orders))
    who = np.argsort(np.array(orders), axis=1) + 1
    assert same(relabel(mixed, who), tr)


def test_two_people_of_one_id_are_refused(truth: Trajectories) -> None:
    labels = labels_of(truth)
    labels[7, 1] = 1
    with pytest.raises(ValueError, match=r"two people are 1 in frame 7 \(0\.23 s\)"):
        relabel(truth, labels)
    labels[7, 1] = NOBODY
    assert relabel(truth, labels).present.sum() == truth.present.sum() - 1


LINES = ("swap 1 2 from f20", "merge 4 into 3", "delete 1 f50..f60")


@pytest.fixture(scope="session")
def wrong(truth: Trajectories) -> Trajectories:
    """What a tracker might have made of the three."""
    return edited(truth, "swap 1 2 from f20", "split 3 at f40")


def test_edits_follow_people_into_a_run_with_other_ids(wrong: Trajectories) -> None:
    edits = parse_edits("\n".join(LINES))
    anchors = anchors_of(wrong, edits)
    numbers = {1: 12, 2: 31, 3: 7, 4: 15}
    other = relabel(wrong, np.vectorize(numbers.get)(wrong.ids)[None].repeat(60, 0))
    followed = follow(jittered(other, 2.0), edits, anchors)
    told = [str(edit) for edit in followed.edits]
    assert told == ["swap 12 31 from f20", "merge 15 into 7", "delete 12 f50..f60"]
    assert "swap 1 2 from f20: here it is swap 12 31 from f20" in followed.notes
    wanted, found = apply_edits(wrong, edits), apply_edits(other, followed.edits)
    assert idf1(wanted, found) == 1.0


def test_what_another_run_has_right_is_left_alone(truth: Trajectories, wrong: Trajectories) -> None:
    edits = parse_edits("swap 1 2 from f20\nmerge 4 into 3")
    followed = follow(truth, edits, anchors_of(wrong, edits))
    assert followed.edits == ()
    assert "not exchanged here" in followed.notes[0]
    assert "one person already" in followed.notes[1]


def test_an_anchor_that_is_not_found_is_told(wrong: Trajectories) -> None:
    edits = parse_edits("merge 4 into 3")
    anchors = anchors_of(wrong, edits)
    followed = follow(wrong.select(ids=[1, 2]), edits, anchors)
    assert followed.edits == ()
    assert "nobody is where 4 was in frame 40 (1.33 s); left out" in followed.notes[0]


def test_anchors_come_back_from_their_file(wrong: Trajectories, tmp_path: Path) -> None:
    edits = parse_edits("\n".join(LINES))
    anchors = anchors_of(wrong, edits)
    save_anchors(tmp_path / "a.json", edits, anchors)
    assert load_anchors(tmp_path / "a.json", edits) == anchors
    more = parse_edits("delete 2\n" + "\n".join(LINES))
    assert load_anchors(tmp_path / "a.json", more) == (None, *anchors)
    for text in ("[]", '{"format": "posetrack anchors", "edits": [{"edit": "x"}]}', "{"):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(ValueError, match=r"b\.json"):
            load_anchors(tmp_path / "b.json", edits)


def test_edits_are_applied_again_to_a_new_run_on_the_command_line(
    truth: Trajectories,
    wrong: Trajectories,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    edits = tmp_path / "edits.txt"
    edits.write_text("swap 1 2 from f20\nmerge 4 into 3\n")
    other = edited(wrong, "rename 1 to 40", "rename 2 to 50")
    for name, run in (("first", wrong), ("second", other)):
        save(run, tmp_path / f"{name}.parquet")
        source, out = tmp_path / f"{name}.parquet", tmp_path / f"{name}-right.csv"
        assert main(["audit", str(source), "--apply", str(edits), "-o", str(out)]) == 0
        assert idf1(truth, posetrack.load(out)) == 1.0
        assert same(posetrack.load(source), run)
    assert "here it is swap 40 50 from f20" in capsys.readouterr().err


def test_the_table_that_is_read_is_never_replaced(
    wrong: Trajectories, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(wrong, tmp_path / "a.parquet")
    (tmp_path / "edits.txt").write_text("delete 1")
    run = ["audit", str(tmp_path / "a.parquet"), "--apply", str(tmp_path / "edits.txt")]
    assert main([*run, "-o", str(tmp_path / "a.parquet")]) == 1
    assert "is what is read" in capsys.readouterr().err
    assert main([*run, "-o", str(tmp_path)]) == 0
    assert posetrack.load(tmp_path / "a.edited.parquet").ids.tolist() == [2, 3, 4]


def test_one_edit_at_a_time_is_added(tmp_path: Path) -> None:
    path = tmp_path / "edits.txt"
    for line, count in (("", 0), ("delete 1\ndelete 2", 2)):
        with pytest.raises(ValueError, match=rf"expected one edit, such as swap .*got {count}"):
            add_edit(walkers(), path, line)
    assert not path.exists()
