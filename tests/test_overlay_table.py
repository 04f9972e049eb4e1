"""Videos drawn again from tables, skeletons on a plain ground, and covered faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from posetrack import COCO_17, MPII_16, Trajectories
from posetrack.cli import main
from posetrack.draw import FaceCover, cover_regions, draw_video, find_heads
from posetrack.draw.faces import Heads, faces_over_time
from posetrack.draw.video import faces_of_tables
from posetrack.structures import Poses, Tracks
from posetrack.testing import walking
from posetrack.trajectories import save
from posetrack.video import VideoWriter, open_video

SIZE = (160, 120)
RATE = 25


def walk(frames: int = 10, people: int = 2) -> Trajectories:
    t = np.arange(frames)[:, None]
    start = 45 + 70 * np.arange(people)
    paths = np.stack([start + 1.0 * t, np.full((frames, people), 110.0)], axis=-1)
    scene = walking(paths, height=90.0, size=SIZE)
    index = np.arange(frames)
    return Trajectories(
        index, index / RATE, np.arange(people) + 1, scene.xy, np.ones(scene.xy.shape[:3]), COCO_17,
        metadata={"image_size": SIZE, "rate": float(RATE)},
    )  # fmt: skip


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twelve frames of coarse coloured noise, the same in each, which stays through encoding."""
    coarse = np.random.default_rng(0).integers(0, 255, (15, 20, 3), np.uint8)
    image = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
    with VideoWriter(tmp_path / "noise.mp4", rate=RATE, quality=4) as writer:
        for _ in range(12):
            writer.write(image)
    return tmp_path / "noise.mp4"


def images(path: Path) -> list[np.ndarray]:
    with open_video(path, prefetch=0) as reader:
        return [frame.image.astype(int) for frame in reader]


def around(xy: np.ndarray, radius: float) -> np.ndarray:
    """(H, W) what lies near any of some places."""
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    apart = np.hypot(columns[..., None] - xy[:, 0], rows[..., None] - xy[:, 1])
    return (apart <= radius).any(axis=-1)


def one(xy: np.ndarray, scores: np.ndarray | None = None, skeleton: object = COCO_17) -> Tracks:
    return Tracks(Poses.from_keypoints(xy[None], None if scores is None else scores[None],
                                       skeleton), [1])  # fmt: skip


def test_people_are_drawn_over_the_video_and_the_rest_of_it_stays(
    video: Path, tmp_path: Path
) -> None:
    tr = walk()
    drawn = draw_video(tr, tmp_path / "new.mp4", video=video, boxes=False, labels=False, quality=4)
    assert drawn.frames == 10
    assert drawn.notes == ("frames 0 to 9 of 12 are in the new video",)
    before, after = images(video), images(tmp_path / "new.mp4")
    assert len(after) == 10
    # Nobody's limbs are longer than this, so all that is further from any keypoint is untouched.
    far = ~around(tr.xy[4].reshape(-1, 2), 22)
    change = np.abs(after[4] - before[4]).max(axis=-1)
    assert change[far].mean() < 6
    hip = tr.xy[4, 0, tr.skeleton.index("left_hip")].round().astype(int)
    assert change[hip[1] - 2 : hip[1] + 3, hip[0] - 2 : hip[0] + 3].max() > 60


def test_a_skeleton_on_black_is_black_where_no_skeleton_is(tmp_path: Path) -> None:
    tr = walk()
    drawn = draw_video(
        tr, tmp_path / "black.mp4", background=(0, 0, 0), boxes=False, labels=False, quality=4
    )
    assert drawn.frames == 10
    frames = images(tmp_path / "black.mp4")
    far = ~around(tr.xy[4].reshape(-1, 2), 22)
    assert frames[4].shape == (120, 160, 3)
    assert frames[4][far].max() <= 8
    assert frames[4][~far].max() > 150
    draw_video(tr, tmp_path / "white.mp4", background=(255, 255, 255), boxes=False, labels=False)
    assert images(tmp_path / "white.mp4")[4][far].min() >= 245


def test_a_gap_in_the_table_is_a_frame_without_people(tmp_path: Path) -> None:
    tr = walk()
    kept = [0, 1, 2, 3, 6, 7, 8, 9]
    cut = Trajectories(
        tr.frame[kept], tr.seconds[kept], tr.ids, tr.xy[kept], tr.scores[kept], COCO_17,
        metadata=tr.metadata,
    )  # fmt: skip
    assert draw_video(cut, tmp_path / "x.mp4", background=(0, 0, 0)).frames == 10
    frames = images(tmp_path / "x.mp4")
    assert [frame.max() > 100 for frame in frames] == [True] * 4 + [False] * 2 + [True] * 4


def test_of_every_third_frame_only_those_are_drawn(video: Path, tmp_path: Path) -> None:
    tr = walk()
    rows = [0, 3, 6, 9]
    every = Trajectories(
        tr.frame[rows], tr.seconds[rows], tr.ids, tr.xy[rows], tr.scores[rows], COCO_17
    )
    assert draw_video(every, tmp_path / "x.mp4", video=video).frames == 4


def test_only_the_times_asked_for_are_drawn(video: Path, tmp_path: Path) -> None:
    drawn = draw_video(walk(), tmp_path / "x.mp4", video=video, seconds=(0.1, 0.3))
    assert drawn.frames == 5  # 0.12, 0.16, 0.20, 0.24, 0.28
    with pytest.raises(ValueError, match="nothing to draw"):
        draw_video(walk(), tmp_path / "y.mp4", video=video, seconds=(7, 9))
    assert not (tmp_path / "y.mp4").exists()


def test_another_video_is_refused_and_says_what_was_expected(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.mp4"
    with pytest.raises(ValueError, match="12 frames, the tracks go on to frame 29"):
        draw_video(walk(30), out, video=video)
    other = replace(walk(), metadata={"image_size": (320, 240)})
    with pytest.raises(
        ValueError, match="160 x 120 pixels, the tracks are of a video of 320 x 240"
    ):
        draw_video(other, out, video=video)
    moved = replace(walk(), xy=walk().xy + 500, boxes=None, metadata={})
    with pytest.raises(ValueError, match="outside the 160 x 120"):
        draw_video(moved, out, video=video)
    with pytest.raises(ValueError, match="background"):
        draw_video(walk(), out)
    with pytest.raises(ValueError, match="another name"):
        draw_video(walk(), video, video=video)
    assert [path.name for path in tmp_path.iterdir()] == ["noise.mp4"]


@pytest.mark.parametrize("cover", ["blur", "pixelate", "fill"])
def test_covered_regions_lose_detail_and_all_other_pixels_stay(cover: str) -> None:
    image = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    before = image.copy()
    covered = cover_regions(image, [[60, 40, 20, 15], [-5, 88, 12, 12]], cover=cover)
    np.testing.assert_array_equal(image, before)
    rows, columns = np.mgrid[:90, :120]
    inside = (((columns - 60) / 20) ** 2 + ((rows - 40) / 15) ** 2) <= 1
    inside |= ((columns + 5) ** 2 + (rows - 88) ** 2) <= 144
    np.testing.assert_array_equal(covered[~inside], image[~inside])
    assert (covered[inside] != image[inside]).any(axis=-1).mean() > 0.95
    assert covered[inside].std() < 0.35 * image[inside].std()


def test_a_head_is_found_from_the_face_the_shoulders_or_the_box() -> None:
    tr = walk(1, 1)
    xy = tr.xy[0, 0].astype(float)
    tall = np.nanmax(xy[:, 1]) - np.nanmin(xy[:, 1])
    face = xy[:5].mean(axis=0)
    whole = find_heads(one(xy))
    assert whole.sure.all()
    assert np.hypot(*(whole.ellipses[0, :2] - face)) < 0.05 * tall
    assert 0.07 * tall < whole.ellipses[0, 2] < 0.25 * tall
    faceless = xy.copy()
    faceless[:5] = np.nan
    guess = find_heads(one(faceless))
    assert not guess.sure.any()
    x, y, across, down = guess.ellipses[0]
    assert ((face[0] - x) / across) ** 2 + ((face[1] - y) / down) ** 2 < 1
    legs = np.full_like(xy, np.nan)
    legs[11:] = xy[11:]
    assert len(find_heads(one(legs)).ids) == 1  # somewhere in the upper part of the box


def test_keypoints_of_low_score_add_a_place_and_take_none_away() -> None:
    xy = walk(1, 1).xy[0, 0].astype(float)
    scores = np.ones(17)
    scores[:5] = 0.05
    xy[:5] += (30, 20)  # wrong, and the network says so
    heads = find_heads(one(xy, scores))
    assert heads.ids.tolist() == [1, 1]
    assert not heads.sure.any()


def test_heads_of_other_skeletons_lie_between_their_ends() -> None:
    xy = np.random.default_rng(0).uniform(100, 200, (16, 2))
    xy[MPII_16.index("head_top")], xy[MPII_16.index("upper_neck")] = (150, 20), (150, 60)
    ellipse = find_heads(one(xy, skeleton=MPII_16)).ellipses[0]
    np.testing.assert_allclose(ellipse[:2], (150, 40))
    assert ellipse[3] >= 20


def test_a_lost_face_stays_covered_for_a_moment_and_grows() -> None:
    one_head = Heads(np.array([7]), np.array([[50.0, 50, 10, 10]]), np.array([True]))
    nobody = Heads(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, bool))
    cover = FaceCover(memory=1.0, growth=0.5)
    assert len(cover.update(one_head, 0.0)) == 1
    later = cover.update(nobody, 0.5)
    assert later[:, 2].max() == pytest.approx(12.5)
    assert len(cover.update(nobody, 1.2)) == 0


def test_what_is_known_as_a_whole_is_covered_before_it_appears_too() -> None:
    one_head = Heads(np.array([7]), np.array([[50.0, 50, 10, 10]]), np.array([True]))
    nobody = Heads(np.zeros(0, int), np.zeros((0, 4)), np.zeros(0, bool))
    frames = [(t, t / 10, one_head if t == 20 else nobody) for t in range(40)]
    found = faces_over_time(frames, memory=1.0)
    covered = [index for index, regions in found.items() if len(regions)]
    assert covered == list(range(10, 31))


def test_faces_of_people_left_out_are_covered_too() -> None:
    everybody = walk()
    chosen = everybody.person(1)
    found = faces_of_tables([chosen, everybody], range(10))
    other = everybody.xy[4, 1, :5].mean(axis=0)
    apart = np.hypot(*(found[4][:, :2] - other).T)
    assert (apart < found[4][:, 2]).any()


def test_every_face_in_the_new_video_is_covered_and_the_rest_is_not(
    video: Path, tmp_path: Path
) -> None:
    tr = walk()
    new = tmp_path / "new.mp4"
    draw_video(
        tr.person(1), new, video=video, people=False, faces="fill", everybody=[tr], quality=4
    )
    change = np.abs(images(new)[4] - images(video)[4]).max(axis=-1)
    for person in range(2):
        face = around(tr.xy[4, person, :5], 3)
        assert (np.abs(images(new)[4][face] - 96) < 20).mean() > 0.95
    assert change[around(tr.xy[4, :, 11:].reshape(-1, 2), 5)].mean() < 6


def test_the_command_draws_over_the_video_and_on_black(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "walk.parquet"
    save(walk().person(1), table)
    save(walk(), tmp_path / "walk.raw.parquet")
    new = tmp_path / "new.mp4"
    words = [table, "--video", video, "-o", new, "--blur-faces", "fill", "--no-people"]
    assert main(["overlay", *map(str, words)]) == 0
    told = capsys.readouterr()
    assert "10 frames, 1 people" in told.out
    assert "faces of everybody in" in told.err
    face = around(walk().xy[4, 1, :5], 2)  # of the person who is in the raw table alone
    assert (np.abs(images(new)[4][face] - 96) < 25).mean() > 0.9
    black = tmp_path / "black.mp4"
    assert main(["overlay", str(table), "--background", "black", "-o", str(black)]) == 0
    assert np.median(images(black)[0]) == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--video"),
        (["--background", "black", "--blur-faces"], "no faces"),
        (["--background", "black", "--person", "9"], "no person 9"),
        (["--background", "black", "--from", "3s", "--to", "2s"], "must come before"),
        (["--background", "black", "--faces-of", "x.csv"], "goes with"),
    ],
)
def test_the_command_says_what_does_not_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    save(walk(3), tmp_path / "walk.csv")
    out = str(tmp_path / "x.mp4")
    assert main(["overlay", str(tmp_path / "walk.csv"), "-o", out, *words]) == 1
    assert told in capsys.readouterr().err
    assert not Path(out).exists()
