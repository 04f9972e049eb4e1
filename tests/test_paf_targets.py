"""Targets of the part-affinity network: the reference's, and decoded the people again."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from posetrack.networks.trtpose import PafMaps
from posetrack.ops.links import paf_links
from posetrack.ops.paf import TRT_POSE_LINKS, decode_paf
from posetrack.skeletons import COCO_17, COCO_17_NECK, KNOWN_SKELETONS
from posetrack.training import read_coco
from posetrack.training.paf_targets import paf_loss, paf_targets


def people_of(case, batch):
    """(N, K, 2) x and y of the reference's peaks, joined as its connections say."""
    counts, peaks = case[f"gen{batch}_counts"][0], case[f"gen{batch}_peaks"][0]
    joined = case[f"gen{batch}_connections"][0]
    owner = {}
    people = []
    for k in range(len(counts)):
        for p in range(counts[k]):
            if (k, p) in owner:
                continue
            owner[k, p] = len(people)
            waiting = [(k, p)]
            for kind, peak in waiting:
                for i, (a, b) in enumerate(TRT_POSE_LINKS):
                    for here, there, side in ((a, b, 0), (b, a, 1)):
                        partner = joined[i, side, peak] if kind == here else -1
                        if partner >= 0 and (there, partner) not in owner:
                            owner[there, partner] = len(people)
                            waiting.append((there, partner))
            people.append(waiting)
    xy = np.full((len(people), len(counts), 2), np.nan)
    for person, parts in enumerate(people):
        for kind, peak in parts:
            xy[person, kind] = peaks[kind, peak, ::-1]
    return xy


def test_targets_equal_the_reference(shared):
    nets = shared / "reference/nets"
    recorded = json.loads((nets / "cases/trtpose_parse.json").read_text())
    for entry in recorded["files"]:
        case = np.load(nets / entry["file"])
        height, width = entry["map_hw"]
        for batch in range(entry["batch"]):
            targets = paf_targets(
                people_of(case, batch), map_size=(width, height), stdev=entry["stdev"]
            )
            assert_allclose(targets.cmap[:, ::2, ::2], case["gen_cmap_stride2"][batch], atol=1e-6)
            assert_allclose(targets.cmap.sum((1, 2)), case["gen_cmap_sum"][batch], rtol=1e-5)
            assert_allclose(targets.paf[:, ::2, ::2], case["gen_paf_stride2"][batch], atol=1e-4)
            sums = np.abs(targets.paf).sum((1, 2))
            assert_allclose(sums, case["gen_paf_abs_sum"][batch], atol=1e-3)


def people(rng, count, keypoints=18):
    """People in quarters of their own."""
    corners = np.array([(x, y) for x in range(2) for y in range(2)])[:count] / 2
    return corners[:, None] + rng.uniform(0.06, 0.44, (count, keypoints, 2))


def same_people(found, true, tolerance):
    assert len(found) == len(true)
    for person in true:
        away = np.nan_to_num(np.abs(found - person), nan=9).max(axis=(1, 2))
        assert away.min() < tolerance


@pytest.mark.parametrize("limb_width", [None, 1.0])
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4))
def test_targets_decode_to_the_people(limb_width, seed, count):
    true = people(np.random.default_rng(seed), count)
    targets = paf_targets(true, map_size=(64, 64), stdev=1.2, limb_width=limb_width)
    xy, _ = decode_paf(*targets)
    # The centre of mass of five cells leaves out a Gaussian's tail on the far side.
    same_people(xy, true, 0.25 / 64)


def test_annotated_people_of_real_images_come_back(shared):
    data = shared / "data/coco"
    samples = read_coco(data / "test_coco.json", data, skeleton=COCO_17_NECK)
    for pose in samples.xy[[0, 4, 9, 10]]:
        known = np.isfinite(pose)
        # Whole pixels can be as far from one cell as from the next, which makes two equal peaks.
        true = (pose + 0.3) / 640
        targets = paf_targets(true[None], map_size=(128, 128), stdev=1.0)
        xy, _ = decode_paf(*targets)
        best = xy[np.argmax(np.isfinite(xy[..., 0]).sum(axis=1))]
        assert_allclose(best[known], true[known], atol=0.5 / 128)


def test_fields_are_averaged_where_limbs_overlap():
    true = np.array([[[0.25, 0.5], [0.75, 0.5]], [[0.5, 0.25], [0.5, 0.75]]])
    for limb_width, length in ((None, 2**0.5), (1.0, 0.5**0.5)):
        fields = paf_targets(
            true, map_size=(32, 32), links=[(0, 1)], stdev=1.0, limb_width=limb_width
        ).paf
        middle = fields[:, 15:17, 15:17].mean(axis=(1, 2))
        assert np.hypot(*middle) == pytest.approx(length, rel=0.25)
        assert middle[0] == pytest.approx(middle[1])
    away = fields[:, 16, 10]
    assert_allclose(away, (0, 1), atol=1e-6)
    assert not fields[:, 2].any()


def test_what_is_outside_or_not_labelled_leaves_nothing():
    true = np.array([[[0.5, 0.5], [1.2, 0.5]], [[np.nan, np.nan], [0.2, 0.2]]])
    targets = paf_targets(true, map_size=(16, 16), links=[(0, 1)])
    assert not targets.paf.any()
    assert (targets.cmap.max(axis=(1, 2)) > 0).all()
    assert not paf_targets(np.zeros((0, 2, 2)), map_size=(16, 16), links=[(0, 1)]).cmap.any()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"\(N, K, 2\)"):
        paf_targets(np.zeros((18, 2)), map_size=(3, 3))
    with pytest.raises(ValueError, match="stdev"):
        paf_targets(np.zeros((1, 18, 2)), map_size=(3, 3), stdev=0)
    with pytest.raises(ValueError, match="links"):
        paf_targets(np.zeros((1, 3, 2)), map_size=(3, 3))


class TestLoss:
    def test_it_is_the_mean_squared_error_of_both(self):
        zeros = torch.zeros(2, 3, 4, 4)
        maps = PafMaps(zeros + 2, zeros - 3)
        assert paf_loss(maps, (zeros, zeros)) == 4 + 9

    def test_unlabelled_people_do_not_count_but_labelled_ones_do(self):
        target = torch.zeros(1, 1, 4, 4)
        target[0, 0, 1, 1] = 0.5
        maps = PafMaps(torch.ones(1, 1, 4, 4), target)
        counted = torch.ones(1, 4, 4, dtype=torch.bool)
        counted[0, :2] = False
        assert float(paf_loss(maps, (target, target), counted)) == pytest.approx(8.25 / 16)


def test_links_join_all_keypoints_of_every_skeleton():
    assert paf_links(COCO_17_NECK) == TRT_POSE_LINKS
    for skeleton in KNOWN_SKELETONS.values():
        apart = {k: {k} for k in range(len(skeleton))}
        links = paf_links(skeleton)
        assert len({frozenset(link) for link in links}) == len(links)
        for a, b in links:
            whole = apart[a] | apart[b]
            for k in whole:
                apart[k] = whole
        assert apart[0] == set(range(len(skeleton))), skeleton
    assert (0, 5) in paf_links(COCO_17)
