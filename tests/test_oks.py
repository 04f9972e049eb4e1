from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posetrack.ops.oks import oks_matrix, oks_nms
from posetrack.skeletons import COCO_17

SIGMAS = np.array(COCO_17.sigmas)
K = len(SIGMAS)


def random_poses(count, seed=0, *, unseen=0.0, spread=80.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 1000, (count, 1, 2)) + rng.normal(0, spread, (count, K, 2))
    xy[rng.random((count, K)) < unseen] = np.nan
    return xy.astype(dtype)


def by_definition(references, poses, areas, sigmas, common_only):
    """COCO's formula, one pair and one keypoint after another."""
    out = np.zeros((len(references), len(poses)))
    for m, reference in enumerate(references):
        for n, pose in enumerate(poses):
            terms = []
            for a, b, sigma in zip(reference, pose, sigmas, strict=True):
                if np.isnan(a).any() or (common_only and np.isnan(b).any()):
                    continue
                square = ((a - b) ** 2).sum()
                size = 2 * (areas[m] + np.spacing(1)) * (2 * sigma) ** 2
                terms.append(0.0 if np.isnan(square) else np.exp(-square / size))
            out[m, n] = np.mean(terms) if terms else 0
    return out


@pytest.fixture(scope="session")
def authors(shared):
    folder = shared / "reference" / "nets" / "cases"
    case = dict(np.load(folder / "pipe_oks_nms.npz"))
    keep = json.loads((folder / "pipe_oks_nms.json").read_text())["keep"]
    mmpose = json.loads((folder / "pipe_mmpose.json").read_text())["keep"]
    return case, keep, mmpose


class TestMatrix:
    @pytest.mark.parametrize("common_only", [False, True])
    @pytest.mark.parametrize("unseen", [0.0, 0.3, 0.95])
    @pytest.mark.parametrize(("m", "n"), [(3, 5), (1, 40), (40, 1), (20, 33), (33, 20)])
    def test_agrees_with_the_formula(self, m, n, unseen, common_only):
        references = random_poses(m, 1, unseen=unseen)
        poses = np.concatenate([references, random_poses(n, 2, unseen=unseen)])[:n]
        poses = poses + np.random.default_rng(3).normal(0, 10, poses.shape)
        areas = np.random.default_rng(4).uniform(1e3, 1e5, m)
        wanted = by_definition(references, poses, areas, SIGMAS, common_only)
        exact = oks_matrix(references, poses, areas, SIGMAS, common_only=common_only)
        assert exact.dtype == np.float64
        np.testing.assert_allclose(exact, wanted, atol=1e-12, rtol=0)
        fast = oks_matrix(
            references.astype(np.float32),
            poses.astype(np.float32),
            areas,
            SIGMAS,
            common_only=common_only,
        )
        assert fast.dtype == np.float32
        np.testing.assert_allclose(fast, wanted, atol=5e-6, rtol=0)  # inputs are rounded, too

    def test_float32_is_within_a_millionth_of_float64(self):
        references = random_poses(100, 1, spread=200, dtype=np.float32)
        poses = np.concatenate(
            [references + step for step in (0, 0.1, 1, 5, 20, 60)], dtype=np.float32
        )
        areas = np.random.default_rng(4).uniform(1e2, 1e6, 100).astype(np.float32)
        fast = oks_matrix(references, poses, areas, SIGMAS.astype(np.float32))
        exact = oks_matrix(
            references.astype(np.float64),
            poses.astype(np.float64),
            areas.astype(np.float64),
            SIGMAS.astype(np.float32).astype(np.float64),
        )
        assert fast.dtype == np.float32
        assert np.abs(fast - exact).max() < 1e-6

    def test_agrees_with_pycocotools(self):
        coco_eval = pytest.importorskip("pycocotools.cocoeval")
        references = random_poses(4, 5, unseen=0.2)
        poses = np.nan_to_num(references, nan=300.0) + np.random.default_rng(0).normal(
            0, 8, (4, K, 2)
        )
        areas = np.random.default_rng(1).uniform(1e4, 1e5, 4)
        evaluation = coco_eval.COCOeval(iouType="keypoints")
        evaluation.params.kpt_oks_sigmas = SIGMAS
        flat = lambda xy: np.dstack(  # noqa: E731
            [np.nan_to_num(xy), 2 * ~np.isnan(xy).any(axis=2)[..., None]]
        ).reshape(len(xy), -1)
        evaluation._gts[0, 0] = [
            {"keypoints": row, "area": size, "bbox": [0, 0, 1, 1]}
            for row, size in zip(flat(references), areas, strict=True)
        ]
        evaluation._dts[0, 0] = [
            {"keypoints": row, "score": -i} for i, row in enumerate(flat(poses))
        ]
        evaluation.params.useCats = 1
        wanted = evaluation.computeOks(0, 0).T
        np.testing.assert_allclose(
            oks_matrix(references, poses, areas, SIGMAS), wanted, atol=1e-12, rtol=0
        )

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("common_only", [False, True])
    @given(st.integers(0, 2**32 - 1), st.floats(0, 0.9), st.floats(0, 1e6))
    @settings(max_examples=40)
    def test_pose_is_exactly_1_to_itself(self, dtype, common_only, seed, unseen, size):
        poses = random_poses(3, seed, unseen=unseen, dtype=dtype)
        poses[:, 0] = 5  # one keypoint at least
        oks = oks_matrix(poses, poses, np.full(3, size), SIGMAS, common_only=common_only)
        assert (np.diag(oks) == 1).all()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1e7), st.booleans())
    @settings(max_examples=40)
    def test_lies_between_0_and_1(self, dtype, seed, unseen, size, common_only):
        references = random_poses(4, seed, unseen=unseen, dtype=dtype)
        poses = random_poses(21, seed + 1, unseen=unseen, dtype=dtype)
        oks = oks_matrix(references, poses, np.full(4, size), SIGMAS, common_only=common_only)
        assert ((oks >= 0) & (oks <= 1)).all()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_falls_with_distance(self, dtype):
        pose = random_poses(1, dtype=dtype)
        steps = np.linspace(0, 300, 60).astype(dtype)
        oks = oks_matrix(pose, pose + steps[:, None, None], [2e4], SIGMAS)[0]
        assert ((np.diff(oks) < 0) | (oks[1:] == 0)).all()
        assert (oks[:10] > 0).all()

    @given(st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3), st.floats(0.01, 100))
    @settings(max_examples=40)
    def test_does_not_change_with_position_or_size_of_the_picture(self, seed, step, times):
        references, poses = random_poses(3, seed, unseen=0.2), random_poses(2, seed, unseen=0.2)
        poses += 3
        areas = np.array([1e3, 1e4, 1e5])
        plain = oks_matrix(references, poses, areas, SIGMAS)
        moved = oks_matrix(references + step, poses + step, areas, SIGMAS)
        scaled = oks_matrix(references * times, poses * times, areas * times**2, SIGMAS)
        np.testing.assert_allclose(moved, plain, atol=1e-9)
        np.testing.assert_allclose(scaled, plain, atol=1e-9)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("common_only", [False, True])
    def test_no_area_gives_1_for_equal_positions_and_0_for_others(self, dtype, common_only):
        poses = random_poses(2, dtype=dtype)
        oks = oks_matrix(poses, poses, [0, 0], SIGMAS, common_only=common_only)
        assert oks.tolist() == [[1, 0], [0, 1]]

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize("common_only", [False, True])
    @pytest.mark.parametrize("wide", [False, True])
    def test_nothing_seen_gives_exactly_0(self, dtype, common_only, wide):
        seen, unseen = random_poses(1, dtype=dtype), np.full((1, K, 2), np.nan, dtype)
        many = np.concatenate([unseen] * (40 if wide else 1))
        for a, b in [(seen, many), (many, seen), (unseen, many)]:
            oks = oks_matrix(a, b, np.full(len(a), 1e4), SIGMAS, common_only=common_only)
            assert not oks.any()

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_unseen_keypoints_of_the_pose_count_0_or_not_at_all(self, dtype):
        reference = random_poses(1, dtype=dtype)
        half = reference.copy()
        half[:, : K // 2, 0] = np.nan
        part = (K - K // 2) / K
        arguments = [1e4], SIGMAS
        assert oks_matrix(reference, half, *arguments)[0, 0] == pytest.approx(part)
        assert oks_matrix(reference, half, *arguments, common_only=True)[0, 0] == 1
        assert oks_matrix(half, reference, *arguments)[0, 0] == 1

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_unknown_area_gives_0(self, dtype):
        poses = random_poses(2, dtype=dtype)
        oks = oks_matrix(poses, poses, [np.nan, 1e4], SIGMAS)
        assert oks[0].tolist() == [0, 0]
        assert oks[1, 1] == 1

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(("m", "n"), [(0, 0), (0, 3), (3, 0)])
    def test_nobody_is_fine(self, m, n, dtype):
        references, poses = random_poses(m, dtype=dtype), random_poses(n, dtype=dtype)
        oks = oks_matrix(references, poses, np.ones(m), SIGMAS)
        assert oks.shape == (m, n)
        assert oks.dtype == dtype
        assert oks_matrix([], poses, [], SIGMAS).shape == (0, n)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((np.zeros((2, 3)), np.zeros((2, 3, 2)), [1, 1], [1] * 3), "references must have"),
            ((np.zeros((2, 3, 2)), np.zeros((2, 4, 2)), [1, 1], [1] * 3), "3 keypoints but poses"),
            ((np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), [1], [1] * 3), "areas must have"),
            ((np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), [1, 1], [1] * 4), "sigmas must have"),
            ((np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), [1, -1], [1] * 3), "negative"),
            ((np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), [1, 1], [1, 0, 1]), "positive"),
        ],
    )
    def test_wrong_arguments_are_named(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            oks_matrix(*arguments)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_inputs_are_unchanged_and_may_be_read_only(self, dtype):
        references, poses = (
            random_poses(3, 0, dtype=dtype),
            random_poses(4, 1, unseen=0.3, dtype=dtype),
        )
        keep = references.copy(), poses.copy()
        references.flags.writeable = poses.flags.writeable = False
        oks_matrix(references, poses, np.ones(3), SIGMAS)
        np.testing.assert_array_equal(references, keep[0])
        np.testing.assert_array_equal(poses, keep[1])


class TestNms:
    @pytest.mark.parametrize("who", ["ms", "hrnet", "mmpose"])
    @pytest.mark.parametrize("max_oks", [0.1, 0.3, 0.5, 0.9])
    def test_agrees_with_the_originals(self, authors, who, max_oks):
        case, keep, mmpose = authors
        kept = oks_nms(
            case["keypoints"][..., :2], case["score"], case["area"], SIGMAS, max_oks=max_oks
        )
        wanted = mmpose if who == "mmpose" else keep
        name = f"oks_nms.{max_oks}" if who == "mmpose" else f"{who}.oks_nms.{max_oks}"
        assert kept.tolist() == wanted[name]

    def test_agrees_with_hrnet_on_many_poses(self, authors):
        case, keep, _ = authors
        arguments = (
            case["many_keypoints"][..., :2], case["many_score"], case["many_area"], SIGMAS,
        )  # fmt: skip
        kept = oks_nms(*arguments, max_oks=0.5)
        assert kept.tolist() == keep["hrnet.oks_nms.0.5.many"]

    def test_agrees_with_mmpose_on_visible_keypoints(self, authors):
        case, _, mmpose = authors
        kept = oks_nms(
            case["keypoints"][..., :2],
            case["score"],
            case["area"],
            SIGMAS,
            max_oks=0.5,
            seen=case["keypoints"][..., 2] > 0.4,
        )
        assert kept.tolist() == mmpose["oks_nms.0.5.vis_thr_0.4"]

    @pytest.mark.parametrize(
        ("name", "sigmas", "min_visible", "common_only"),
        [
            ("oks", None, None, True),
            ("oks", None, None, False),
            ("oks_custom_sigmas", "custom", None, True),
            ("oks_in_vis_thre_0.4", None, 0.4, False),
            ("mmpose_oks_vis_thr_0.4", None, 0.4, True),
        ],
    )
    def test_similarity_of_each_pair_is_the_recorded_one(
        self, shared, authors, name, sigmas, min_visible, common_only
    ):
        case = authors[0]
        if name.startswith("mmpose_"):
            mmpose = np.load(shared / "reference" / "nets" / "cases" / "pipe_mmpose.npz")
            recorded, name = mmpose, name.removeprefix("mmpose_")
        else:
            recorded = case
        xy, areas = case["keypoints"][..., :2], case["area"]
        seen = case["keypoints"][..., 2] > (-1 if min_visible is None else min_visible)
        spreads = case["custom_sigmas"] if sigmas else SIGMAS
        for better in range(len(xy)):
            for worse in range(len(xy)):
                if better == worse:
                    continue
                # Two poses alone: the second goes exactly where the limit falls below their OKS.
                pair = [better, worse]
                oks = float(recorded[name][better, worse])
                for limit, count in [(oks + 1e-6, 2), (oks - 1e-6, 1)]:
                    kept = oks_nms(
                        xy[pair],
                        [2, 1],
                        areas[pair],
                        spreads,
                        max_oks=limit,
                        seen=seen[pair],
                        common_only=common_only,
                    )
                    assert len(kept) == count

    @given(st.integers(0, 2**32 - 1), st.integers(0, 25), st.floats(0, 1), st.floats(0, 0.5))
    @settings(max_examples=60)
    def test_is_idempotent_and_does_not_depend_on_order(self, seed, count, max_oks, unseen):
        rng = np.random.default_rng(seed)
        xy = random_poses(4, seed)[rng.integers(0, 4, count)] + rng.normal(0, 12, (count, K, 2))
        xy[rng.random((count, K)) < unseen] = np.nan
        scores, areas = rng.permutation(count), rng.uniform(1e4, 4e4, count)
        kept = oks_nms(xy, scores, areas, SIGMAS, max_oks=max_oks)
        assert (np.diff(scores[kept]) < 0).all()
        again = oks_nms(xy[kept], scores[kept], areas[kept], SIGMAS, max_oks=max_oks)
        assert again.tolist() == list(range(len(kept)))
        order = rng.permutation(count)
        shuffled = oks_nms(xy[order], scores[order], areas[order], SIGMAS, max_oks=max_oks)
        assert order[shuffled].tolist() == kept.tolist()

    def test_lower_row_comes_first_among_equal_scores(self):
        xy = random_poses(1).repeat(3, axis=0)
        assert oks_nms(xy, [0.5] * 3, [1e4] * 3, SIGMAS, max_oks=0.5).tolist() == [0]

    def test_half_a_person_is_a_double_of_the_whole(self):
        xy = random_poses(1).repeat(2, axis=0)
        xy[1, :10] = np.nan
        arguments = xy, [0.9, 0.5], [1e4, 1e4], SIGMAS
        assert oks_nms(*arguments, max_oks=0.5).tolist() == [0]
        xy[:, ::2] = xy[::-1, ::2].copy()
        assert oks_nms(*arguments, max_oks=0.5).tolist() == [0]

    def test_keypoints_missing_in_the_better_pose_count_0_without_common_only(self):
        xy = random_poses(1).repeat(2, axis=0)
        xy[0, :10] = np.nan
        arguments = xy, [0.9, 0.5], [1e4, 1e4], SIGMAS
        assert oks_nms(*arguments, max_oks=0.5).tolist() == [0]
        assert oks_nms(*arguments, max_oks=0.5, common_only=False).tolist() == [0, 1]

    def test_poses_without_a_common_keypoint_are_both_kept(self):
        xy = random_poses(1).repeat(2, axis=0)
        xy[0, ::2], xy[1, 1::2] = np.nan, np.nan
        assert len(oks_nms(xy, [0.9, 0.5], [1e4, 1e4], SIGMAS, max_oks=0)) == 2

    def test_nobody_is_fine(self):
        nobody = np.zeros((0, K, 2))
        assert oks_nms(nobody, [], [], SIGMAS, max_oks=0.5).shape == (0,)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"scores": [1]}, "scores must have"),
            ({"areas": [1]}, "areas must have"),
            ({"areas": [1, -1]}, "negative"),
            ({"sigmas": SIGMAS[1:]}, "sigmas must have"),
            ({"seen": np.ones((2, 3), bool)}, "seen must have"),
            ({"xy": np.zeros((2, K))}, "xy must have"),
        ],
    )
    def test_wrong_arguments_are_named(self, change, message):
        arguments = {
            "xy": np.zeros((2, K, 2)), "scores": [1, 2], "areas": [1, 1], "sigmas": SIGMAS,
        }  # fmt: skip
        with pytest.raises(ValueError, match=message):
            oks_nms(**(arguments | change), max_oks=0.5)
