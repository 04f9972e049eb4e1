"""The two PoseTrack protocols read plainly: dictionaries, loops over joints, SciPy's assignment.

Written from the same description as `posetrack.evaluation` and in the manner of the official
tools, as something to time against and to check the numbers with. It takes well-formed files.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

SLOTS = [16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9, 1, 0, 2]  # PoseTrack's 15 in the file's 17
KIT_SLOTS = [0, 1, 2, *range(5, 17)]
ALPHAS = np.arange(0.05, 0.99, 0.05)


def inside(x, y, polygon):
    """Strictly inside, even-odd."""
    odd = False
    for (x1, y1), (x2, y2) in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        turn = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
        if turn == 0 and min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2):
            return False
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            odd = not odd
    return odd


def load(path, polygons_of, slots, exists):
    """Frames of people: track, joints {j: (x, y, score)}, head size."""
    document = json.loads(Path(path).read_text())
    frames = []
    for image in document["images"]:
        people = []
        for person in document["annotations"]:
            if person["image_id"] != image["id"]:
                continue
            joints, places = {}, []
            for j, slot in enumerate(slots):
                x, y, v = person["keypoints"][3 * slot : 3 * slot + 3]
                places.append((x, y))
                if exists(x, y, v):
                    score = person["scores"][slot] if "scores" in person else -9999
                    joints[j] = (x, y, score)
            _, _, width, height = person["bbox_head"]
            size = 0.6 * np.linalg.norm([width, height])
            people.append(
                {"track": person["track_id"], "joints": joints, "size": size, "places": places}
            )
        polygons = [
            list(zip(xs, ys, strict=True))
            for xs, ys in zip(*polygons_of(image), strict=True)
        ]  # fmt: skip
        frames.append((people, polygons))
    return frames


def regions(image):
    return image["ignore_regions_x"], image["ignore_regions_y"]


def drop_ignored(people, polygons, by_places):
    """Without ignored joints; the kit keeps whoever has a coordinate above 0 elsewhere."""
    if not polygons:
        return people
    kept = []
    for person in people:
        joints = {
            j: p
            for j, p in person["joints"].items()
            if not any(inside(p[0], p[1], polygon) for polygon in polygons)
        }
        left = [
            place
            for place in person["places"]
            if max(place) > 0 and not any(inside(*place, polygon) for polygon in polygons)
        ]
        if left if by_places else joints:
            kept.append({**person, "joints": joints})
    return kept


def paired(truth, predicted, slots, exists, by_places):
    true_frames = load(truth, regions, slots, exists)
    other_frames = load(predicted, regions, slots, exists)
    return [
        (drop_ignored(people, polygons, by_places), drop_ignored(others, polygons, by_places))
        for (people, polygons), (others, _) in zip(true_frames, other_frames, strict=True)
        if people
    ]


def distance(person, other, j):
    if j not in person["joints"] or j not in other["joints"]:
        return np.inf
    a, b = person["joints"][j], other["joints"][j]
    return np.linalg.norm(np.subtract(a[:2], b[:2])) / person["size"]


def all_distances(people, others):
    return [[[distance(g, p, j) for j in range(15)] for p in others] for g in people]


def rank(frame, apart, samples, counts):
    people, others = frame
    for person in people:
        for j in person["joints"]:
            counts[j] += 1
    pckh = np.zeros((len(people), len(others)))
    for g, person in enumerate(people):
        for p in range(len(others)):
            hits = sum(apart[g][p][j] <= 0.5 for j in range(15))
            pckh[g, p] = hits / max(len(person["joints"]), 1)
    owner = {}
    for g in range(len(people)):
        best, value = -1, 0.0
        for p in range(len(others)):
            if pckh[:, p].argmax() == g and pckh[g, p] > value:
                best, value = p, pckh[g, p]
        if best >= 0:
            owner[best] = g
    for p, other in enumerate(others):
        for j, (_, _, score) in other["joints"].items():
            right = p in owner and apart[owner[p]][p][j] <= 0.5
            samples[j].append((score, right))


def precision(samples, count):
    ordered = sorted(samples, key=lambda sample: sample[0])[::-1]
    hits, curve = 0, []
    for k, (_, right) in enumerate(ordered, 1):
        hits += right
        curve.append((hits / count, hits / k))
    best, area = 0.0, 0.0
    for k in range(len(curve) - 1, -1, -1):
        best = max(best, curve[k][1])
        area += (curve[k][0] - (curve[k - 1][0] if k else 0.0)) * best
    return 100 * area


def track(frame, apart, j, last, counts):
    people, others = frame
    if not people or not others:
        counts += (1, 1, 0, 1)  # objects, misses, switches, false positives
        return
    objects = [g for g, person in enumerate(people) if j in person["joints"]]
    given = [p for p, other in enumerate(others) if j in other["joints"]]
    free, found = list(given), set()
    for g in objects:
        mine = [p for p in free if others[p]["track"] == last.get(people[g]["track"])]
        if mine and apart[g][mine[0]][j] <= 0.5:
            free.remove(mine[0])
            found.add(g)
    rest = [g for g in objects if g not in found]
    cost = np.array([[apart[g][p][j] for p in free] for g in rest]).reshape(len(rest), len(free))
    switches = 0
    for r, c in zip(*linear_sum_assignment(np.where(cost <= 0.5, cost, 1e3)), strict=True):
        if cost[r, c] <= 0.5:
            name, other = people[rest[r]]["track"], others[free[c]]["track"]
            switches += name in last and last[name] != other
            last[name] = other
            found.add(rest[r])
    counts += (len(objects), len(objects) - len(found), switches, len(given) - len(found))


def plain_posetrack(pairs):
    """(15,) AP and (15,) MOTA over sequences given as pairs of paths."""
    samples, truths = [[] for _ in range(15)], np.zeros(15)
    counts = np.zeros((15, 4))
    for truth, predicted in pairs:
        frames = paired(truth, predicted, SLOTS, lambda x, y, v: x or y or v, False)
        last = [{} for _ in range(15)]
        for f, frame in enumerate(frames):
            apart = all_distances(*frame)
            rank(frame, apart, samples, truths)
            for j in range(15):
                if f < len(frames) - 1:
                    track(frame, apart, j, last[j], counts[j])
    ap = [precision(s, n) for s, n in zip(samples, truths, strict=True)]
    return np.array(ap), 100 * (1 - counts[:, 1:].sum(axis=1) / counts[:, 0])


def plain_hota(pairs):
    """(15,) HOTA of keypoints over sequences given as pairs of paths."""
    parts = []
    for truth, predicted in pairs:
        frames = paired(truth, predicted, KIT_SLOTS, lambda x, y, _: x > 0 and y > 0, True)
        parts.append([sequence_hota(frames, j) for j in range(15)])
    tp, fn, fp, ass = np.array(parts).transpose(2, 0, 1, 3)
    tp_sum, fn_sum, fp_sum = tp.sum(axis=0), fn.sum(axis=0), fp.sum(axis=0)
    det = tp_sum / np.maximum(1, tp_sum + fn_sum + fp_sum)
    return 100 * np.sqrt(det * (ass * tp).sum(axis=0) / np.maximum(1, tp_sum)).mean(axis=1)


def sequence_hota(frames, j):
    total = sum(j in g["joints"] for people, _ in frames for g in people)
    matches = [{} for _ in ALPHAS]
    sizes, others_sizes = {}, {}
    tp, fn, fp = np.zeros(19), np.zeros(19), np.zeros(19)
    for people, others in frames:
        for side, count in ((people, sizes), (others, others_sizes)):
            for one in side:
                count[one["track"]] = count.get(one["track"], 0) + (j in one["joints"])
        if not others:
            fn += total
            continue
        apart = np.array([[distance(g, p, j) for p in others] for g in people])
        similar = np.maximum(0, 1 - apart / 0.5001)
        rows, columns = linear_sum_assignment(-similar)
        here = sum(j in g["joints"] for g in people), sum(j in p["joints"] for p in others)
        for a, alpha in enumerate(ALPHAS):
            hits = 0
            for r, c in zip(rows, columns, strict=True):
                if similar[r, c] >= alpha - np.finfo(float).eps:
                    key = people[r]["track"], others[c]["track"]
                    matches[a][key] = matches[a].get(key, 0) + 1
                    hits += 1
            tp[a] += hits
            fn[a] += here[0] - hits
            fp[a] += here[1] - hits
    ass = [
        sum(n * n / max(1, sizes[g] + others_sizes[t] - n) for (g, t), n in of_alpha.items())
        for of_alpha in matches
    ]
    return tp, fn, fp, np.array(ass) / np.maximum(1, tp)
