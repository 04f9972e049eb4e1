"""The evaluation against the numbers of the official evaluators."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from posetrack.evaluation import (
    FrameSimilarities,
    evaluate_coco,
    evaluate_posetrack,
    evaluate_posetrack21,
    evaluate_posetrack21_boxes,
    evaluate_similarities,
    iou_similarities,
    oks_similarities,
    pck,
    posetrack17_to_18,
    posetrack18_to_17,
)
from posetrack.evaluation.event_log import ASCEND, MIGRATE, TRANSFER
from posetrack.evaluation.mpii import MpiiResult
from posetrack.evaluation.sequences import head_sizes
from posetrack.evaluation.whole_poses import _METRICS

SHARED = Path(__file__).resolve().parents[2] / "shared" / "reference" / "eval"
TOLERANCE = 1e-6

HOTA_NAMES = {
    "HOTA": "hota", "DetA": "det_a", "AssA": "ass_a", "LocA": "loc_a", "FragA": "frag_a",
    "DetRe": "det_re", "DetPr": "det_pr", "AssRe": "ass_re", "AssPr": "ass_pr",
    "RHOTA": "rhota", "FA-HOTA": "fa_hota", "FA-RHOTA": "fa_rhota", "HOTA_TP": "tp",
    "HOTA_FN": "fn", "HOTA_FP": "fp",
}  # fmt: skip
MOT_NAMES = {"mota": "mota", "motp": "motp", "precision": "pre", "recall": "rec"}
COUNT_NAMES = {
    "objects": "num_objects", "detections": "num_detections", "misses": "num_misses",
    "switches": "num_switches", "false_positives": "num_false_positives",
    "distance": "sumD_official",
}  # fmt: skip


def load(path: Path) -> Any:
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)


def cases(evaluator: str) -> list[Any]:
    """Names of the cases that an evaluator has numbers for; one that is skipped without them."""
    if not (SHARED / "cases").is_dir():
        reason = "reference data is not beside this checkout (../shared)"
        return [pytest.param("", marks=pytest.mark.skip(reason=reason))]
    found = sorted((SHARED / "cases").glob(f"*/expected.{evaluator}.json*"))
    return [path.parent.name for path in found]


def close(ours: Any, official: Any, what: str) -> None:
    expected = np.array(official, dtype=object).astype(np.float64)
    np.testing.assert_allclose(
        np.asarray(ours, np.float64), expected, rtol=0, atol=TOLERANCE, err_msg=what
    )


def expected_of(case: str, evaluator: str) -> Any:
    return load(next((SHARED / "cases" / case).glob(f"expected.{evaluator}.json*")))


@cache
def evaluate(case: str, evaluator: str) -> tuple[Any, Any]:
    """Our result and the official one; once, for many tests look at it."""
    folder = SHARED / "cases" / case
    ours = {"poseval": evaluate_posetrack, "posetrack21": evaluate_posetrack21}[evaluator]
    return ours(folder / "gt", folder / "pred"), expected_of(case, evaluator)


@pytest.fixture(params=cases("poseval"))
def poseval(request: pytest.FixtureRequest) -> Any:
    return evaluate(request.param, "poseval")


def check_ap(ours: Any, official: Any, bounds: Any = None) -> None:
    close(ours.precision, official["pre"], "precision")
    close(ours.recall, official["rec"], "recall")
    if bounds is None:
        close(ours.ap, official["ap"], "AP")
        return
    low, high, tied = (np.array(bounds[key], np.float64) for key in ("lo", "hi", "tied"))
    assert (ours.ap[:-1] >= low - TOLERANCE).all()
    assert (ours.ap[:-1] <= high + TOLERANCE).all()
    firm = tied == 0
    close(ours.ap[:-1][firm], np.array(official["ap"][:-1], float)[firm], "AP without ties")
    close(ours.ap[:-1], bounds["stable_reversed"], "AP in our order of ties")


def test_ap_equals_the_official_evaluator(poseval: Any) -> None:
    result, expected = poseval
    assert result.sequences == tuple(expected["sequences"])
    assert (
        dict(zip(result.sequences, result.frames.tolist(), strict=True))
        == (expected["num_frames_evaluated"])
    )
    bounds = expected["AP"].get("tie_bounds")
    check_ap(result.ap, expected["AP"], bounds)
    if bounds is not None:
        close(result.ap_low, bounds["lo"], "lower bound")
        close(result.ap_high, bounds["hi"], "upper bound")
        assert any("equal scores" in note for note in result.notes) == bounds["has_ties"]
    else:
        close(list(result.rows()["AP"].values()), list(expected["AP"]["table_row"].values()), "row")


def test_ap_of_each_sequence_equals_the_official_evaluator(poseval: Any) -> None:
    result, expected = poseval
    for name, official in expected.get("AP_per_sequence", {}).items():
        ours = result.ap_by_sequence[result.sequences.index(name)]
        check_ap(ours, official, official.get("tie_bounds"))


def test_mota_equals_the_official_evaluator(poseval: Any) -> None:
    result, expected = poseval
    for ours, name in MOT_NAMES.items():
        close(getattr(result.mot, ours), expected["MOT"][name], name)
    close(list(result.rows()["MOTA"].values()), list(expected["MOT"]["table_row"].values()), "row")
    for sequence, official in expected.get("MOT_per_sequence", {}).items():
        of_sequence = result.mot_by_sequence[result.sequences.index(sequence)]
        for ours, name in MOT_NAMES.items():
            close(getattr(of_sequence, ours), official[name], f"{sequence}: {name}")


def test_counts_of_events_equal_the_official_evaluator(poseval: Any) -> None:
    result, expected = poseval
    for s, name in enumerate(result.sequences):
        official = expected["MOT_counts_per_sequence"][name]
        counts = result.mot_by_sequence[s].counts
        for ours, theirs in COUNT_NAMES.items():
            close(getattr(counts, ours), official[theirs], f"{name}: {theirs}")
        for kind, theirs in ((TRANSFER, "transfer"), (ASCEND, "ascend"), (MIGRATE, "migrate")):
            close(result.events.counts(kind)[s], official[f"num_{theirs}"], f"{name}: {theirs}")


@pytest.fixture(params=cases("posetrack21"))
def kit21(request: pytest.FixtureRequest) -> Any:
    return evaluate(request.param, "posetrack21")


def test_keypoint_hota_equals_the_official_kit(kit21: Any) -> None:
    result, expected = kit21
    assert (*result.keypoints, "total") == tuple(expected["joint_order"])
    combined = expected["HOTA_combined"]
    for theirs, ours in HOTA_NAMES.items():
        close(getattr(result.hota, ours), combined["per_alpha"][theirs], theirs)
        if theirs in combined["mean_over_alpha"]:
            close(getattr(result.hota.mean(), ours), combined["mean_over_alpha"][theirs], theirs)
    close(result.hota.hota[0], combined["at_alpha_0.05"]["HOTA(0)"], "HOTA(0)")
    for name, official in expected["HOTA_per_sequence"].items():
        s = result.sequences.index(name.split(".")[0])
        for theirs, values in official["mean_over_alpha"].items():
            ours = getattr(result.hota_by_sequence[s].mean(), HOTA_NAMES[theirs])
            close(ours, values, f"{name}: {theirs}")
        for theirs, values in official["total_per_alpha"].items():
            ours = getattr(result.hota_by_sequence[s], HOTA_NAMES[theirs])[:, -1]
            close(ours, values, f"{name}: {theirs}")
        count = official["count"]
        assert (count["Dets"], count["GT_Dets"]) == (
            result.predicted_people[s],
            result.true_people[s],
        )
        assert (count["IDs"], count["GT_IDs"], count["Frames"]) == (
            result.predicted_ids[s],
            result.true_ids[s],
            result.frames[s],
        )


def test_keypoint_map_equals_the_official_kit(kit21: Any) -> None:
    result, expected = kit21
    official = expected["mAP_combined"]
    close(list(result.rows()["AP"].values()), list(official["map"].values()), "groups")
    parts = {result.sequences.index(n.split(".")[0]): v for n, v in
             expected["mAP_per_sequence"].items()}  # fmt: skip
    for ours, theirs in [(result.ap, official)] + [
        (result.ap_by_sequence[s], values) for s, values in parts.items()
    ]:
        close(ours.ap, theirs["ap_per_joint"], "AP")
        close(ours.precision, theirs["pre_per_joint"], "precision")
        close(ours.recall, theirs["rec_per_joint"], "recall")


@pytest.mark.parametrize("case", cases("mot21"))
def test_box_tracking_equals_the_official_tools(case: str) -> None:
    folder = SHARED / "cases" / case
    result = evaluate_posetrack21_boxes(folder / "gt", folder / "pred")
    expected = expected_of(case, "mot21")
    names = {
        "idf1": "idf1", "idp": "idp", "idr": "idr", "recall": "recall", "precision": "precision",
        "mota": "mota", "motp": "motp", "num_unique_objects": "unique_objects",
        "mostly_tracked": "mostly_tracked", "partially_tracked": "partially_tracked",
        "mostly_lost": "mostly_lost", "num_false_positives": "false_positives",
        "num_misses": "misses", "num_switches": "switches", "num_transfer": "transfers",
        "num_fragmentations": "fragmentations", "num_ascend": "ascends",
        "num_migrate": "migrates", "num_matches": "matches", "num_objects": "objects",
    }  # fmt: skip
    for s, name in enumerate(result.sequences):
        for theirs, values in expected["HOTA"][name]["per_alpha"].items():
            close(getattr(result.hota_by_sequence[s], HOTA_NAMES[theirs]), values, theirs)
        for theirs, ours in names.items():
            off, on = result.clear_by_sequence[s], result.clear_ignoring_by_sequence[s]
            close(getattr(off, ours), expected["CLEAR_ignore_off"][name][theirs], theirs)
            close(getattr(on, ours), expected["CLEAR_ignore_on"][name][theirs], theirs)
    for theirs, values in expected["HOTA"]["COMBINED_SEQ"]["per_alpha"].items():
        close(getattr(result.hota, HOTA_NAMES[theirs]), values, theirs)
    for theirs, ours in names.items():
        close(getattr(result.clear, ours), expected["CLEAR_ignore_off"]["OVERALL"][theirs], ours)
        close(
            getattr(result.clear_ignoring, ours),
            expected["CLEAR_ignore_on"]["OVERALL"][theirs],
            ours,
        )


def oks_sequence(case: str, kind: str) -> FrameSimilarities:
    frames = load(SHARED / "cases" / case / "sequence.json.gz")["frames"]
    true_ids, ids, matrices = [], [], []
    for frame in frames:
        people = [g for g in frame["gt"] if any(v > 0 for v in g["keypoints"][2::3])]
        true_ids.append(np.array([g["id"] for g in people], np.int64))
        ids.append(np.array([p["id"] for p in frame["pred"]], np.int64))
        if kind == "box_iou":
            boxes = ([one["bbox"] for one in side] for side in (people, frame["pred"]))
            matrices.append(iou_similarities(*boxes))
        else:
            poses = [
                np.array([one["keypoints"] for one in side]).reshape(-1, 17, 3)
                for side in (people, frame["pred"])
            ]
            areas = [g["area"] for g in people]
            matrices.append(oks_similarities(poses[0], areas, poses[1]))
    return FrameSimilarities(
        case, np.arange(len(frames)), tuple(true_ids), tuple(ids), tuple(matrices)
    )


@pytest.mark.parametrize("kind", ["pose_oks", "box_iou"])
@pytest.mark.parametrize("case", cases("oks"))
def test_pose_tracking_equals_motmetrics(case: str, kind: str) -> None:
    result = evaluate_similarities([oks_sequence(case, kind)])
    official = expected_of(case, "oks")[kind]
    for ours, theirs in _METRICS.items():
        close(getattr(result, ours)[-1], official[theirs], theirs)


@pytest.mark.parametrize("case", cases("oks"))
def test_pose_hota_equals_trackeval(case: str) -> None:
    similarities = oks_sequence(case, "pose_oks")
    expected = expected_of(case, "oks")
    for t, official in enumerate(expected["oks_first_frames"]):
        close(similarities.similarities[t], official, f"OKS of frame {t}")
    for theirs, values in expected["trackeval_HOTA"]["per_alpha"].items():
        close(getattr(similarities.hota(), HOTA_NAMES[theirs]), values, theirs)


@pytest.mark.parametrize("like_xtcocotools", [False, True])
@pytest.mark.parametrize("case", cases("coco"))
def test_coco_ap_equals_both_tools(case: str, like_xtcocotools: bool) -> None:
    pytest.importorskip("pycocotools", reason="needs pycocotools")
    folder = SHARED / "cases" / case
    result = evaluate_coco(
        folder / "gt.json.gz", folder / "detections.json.gz", like_xtcocotools=like_xtcocotools
    )
    tool = "xtcocotools" if like_xtcocotools else "pycocotools"
    official = expected_of(case, "coco")[tool]
    close(result.values, [official["stats"][name] for name in result.names], "ten numbers")
    close(result.ap_by_threshold, official["AP_per_threshold_all"], "AP")
    close(result.ar_by_threshold, official["AR_per_threshold_all"], "AR")


@pytest.mark.parametrize("case", cases("pckh"))
def test_pckh_equals_the_authors_evaluation(case: str) -> None:
    data, expected = load(SHARED / "cases" / case / "data.json.gz"), expected_of(case, "pckh")
    result = pck(
        data["gt_xy_1based"],
        1 - np.array(data["missing"]),
        head_sizes(np.array(data["headbox_xyxy_1based"])),
        np.array(data["pred_xy_0based"]) + 1,
    )
    row = MpiiResult(result, true_tenth=False).rows()["PCKh@0.5"]
    close(list(row.values()), [expected["name_value"][name] for name in row], "row")
    close(
        MpiiResult(result, true_tenth=True).rows()["PCKh@0.5"]["Mean@0.1"],
        expected["mean_at_0.10_true"],
        "mean at 0.10",
    )
    for theirs, position in (("hits_0.5", 50), ("hits_0.10", 10), ("hits_0.11", 11)):
        assert result.hits[position].tolist() == expected["per_joint"][theirs]


@pytest.mark.parametrize("case", cases("convert"))
def test_conversion_equals_the_official_converter(case: str) -> None:
    documents = load(SHARED / "cases" / case / "documents.json.gz")
    for name, expected in expected_of(case, "convert").items():
        document = documents[name]
        ours = (
            [posetrack17_to_18(document)] if "annolist" in document else posetrack18_to_17(document)
        )
        for video, official in zip(ours, expected, strict=True):
            for key in video.keys() | official.keys():
                if key != "categories":
                    assert video[key] == official[key], (name, key)
                else:
                    assert video[key][0]["keypoints"] == official[key][0]["keypoints"]
                    assert video[key][0]["skeleton"] == official[key][0]["skeleton"]


def bad_inputs() -> list[Any]:
    path = SHARED / "bad_inputs.json.gz"
    if not path.is_file():
        reason = "reference data is not beside this checkout (../shared)"
        return [pytest.param({}, marks=pytest.mark.skip(reason=reason), id="absent")]
    return [pytest.param(x, id=f"{x['evaluator']}-{x['name']}") for x in load(path)]


@pytest.mark.parametrize("given", bad_inputs())
def test_bad_input_is_refused_by_name_and_odd_input_counts(given: Any, tmp_path: Path) -> None:
    for name, documents in given["files"].items():
        for side in ("gt", "pred"):
            (tmp_path / side).mkdir(exist_ok=True)
            if documents[side] is not None:
                (tmp_path / side / name).write_text(json.dumps(documents[side]))
    evaluate: Any = evaluate_posetrack if given["evaluator"] == "poseval" else evaluate_posetrack21
    if given["errors"]:
        sequence = next(iter(given["files"]))
        with pytest.raises((ValueError, FileNotFoundError), match=sequence):
            evaluate(tmp_path / "gt", tmp_path / "pred")
    numbers = given["numbers"]
    if "AP" in numbers:
        only_ap = "MOT" not in numbers
        result = evaluate(tmp_path / "gt", tmp_path / "pred", tracking=not only_ap)
        check_ap(result.ap, numbers["AP"])
        for ours, name in MOT_NAMES.items():
            if not only_ap:
                close(getattr(result.mot, ours), numbers["MOT"][name], name)
    if "HOTA" in numbers:
        result = evaluate(tmp_path / "gt", tmp_path / "pred")
        close(result.hota.mean().hota, numbers["HOTA"], "HOTA")
        close(list(result.rows()["AP"].values()), list(numbers["map"].values()), "mAP")
