from __future__ import annotations

import gzip
import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest

import posetrack
from posetrack.checkpoints.card import read_card
from posetrack.skeletons import KNOWN_SKELETONS
from posetrack.weights import fetch, find_cached
from posetrack.weights.catalogue import MODELS, CatalogueEntry, RemoteFile, find_entry

CARDS = list(MODELS.values())
BUNDLED = [card for card in CARDS if card.bundled]
POSE = [card for card in CARDS if card.builder in ("pose_resnet", "hrnet")]
TORCHVISION = [card for card in CARDS if card.files and card.files[0].layout == "torchvision"]


def each(cards):
    return pytest.mark.parametrize("card", cards, ids=lambda card: card.name)


def test_names_are_unique():
    from posetrack.weights.catalogue import _ROWS

    assert len(_ROWS) == len(MODELS)
    assert all(name == card.name for name, card in MODELS.items())


def test_no_two_files_share_a_url_or_a_name_in_the_cache_folder():
    files = [file for card in CARDS for file in card.files]
    assert max(Counter(file.url for file in files).values()) == 1
    # Some have folders of their own; two hosts of one file give it one name and hash.
    named = [{file.name for file in card.files if not file.has_own_folder} for card in CARDS]
    assert max(Counter(name for names in named for name in names).values()) == 1
    hashed = [{file.sha256 for file in card.files if file.sha256} for card in CARDS]
    assert max(Counter(digest for digests in hashed for digest in digests).values()) == 1


@each(CARDS)
def test_a_row_is_complete_and_sane(card):
    assert all(file.url.startswith("https://") for file in card.files)
    assert card.skeleton is None or card.skeleton in KNOWN_SKELETONS
    assert 1e6 < card.size < 1e9
    assert card.licence
    assert card.accuracy
    assert card.training_data
    assert (card.mean is None) == (card.std is None)
    if card.kind == "pose":
        assert card.skeleton is not None
    if card in POSE:
        assert card.input_size is not None
        assert min(card.input_size) > 0
        assert card.depth in ((18, 34, 50, 101, 152) if card.builder == "pose_resnet" else (None,))
        assert card.skeleton is not None
        assert card.mean is not None


@each(BUNDLED)
def test_rows_of_the_networks_in_the_package_say_what_their_files_do(card):
    path = Path(posetrack.__file__).parent / "bundled" / card.bundled
    if not path.is_file():
        pytest.skip("this copy of the package has no bundled networks")
    said = read_card(path)
    assert card.size == path.stat().st_size
    assert (card.input_size, card.licence) == (said.input_size, said.licence)
    assert (card.mean, card.std) == (said.normalisation.mean, said.normalisation.std)
    assert card.skeleton == (said.skeleton and said.skeleton.name)
    assert find_cached(card) == path == fetch(card, offline=True)


@each(CARDS)
def test_hashes_are_those_in_the_file_names(card):
    for file in card.files:
        if file.layout in ("tfjs", "onnx", "transformers"):
            assert len(file.sha256) in (0, 64), "their names have the digits of other files"
            continue
        # The names tell the first eight digits; a row may know all of them.
        assert re.search(rf"-{file.sha256[:8]}(_\d{{8}})?\.pth$", file.url)
        assert len(file.sha256) in (8, 64)


@each(POSE)
def test_the_size_in_a_pose_models_name_is_height_by_width(card):
    width, height = card.input_size
    assert card.name.endswith(f"_{height}x{width}")
    assert all(f"{height}x{width}" in file.name for file in card.files)
    network = f"res{card.depth}_" if card.depth else f"hrnet_{card.name[6:9]}_"
    assert all(network in file.name.replace("hrnet-w", "hrnet_w") for file in card.files)


@each(TORCHVISION)
def test_torchvision_can_build_what_the_table_names(card):
    models = pytest.importorskip("torchvision.models")
    url = card.files[0].url
    weights = models.get_model_weights(card.builder)
    assert url in {entry.url for entry in weights}


@each([card for card in TORCHVISION if card.kind == "detector"])
def test_posetrack_can_build_every_detector_in_the_table(card):
    from posetrack.detectors.torchvision import NETWORKS

    assert card.builder in NETWORKS


def test_torchvision_rows_match_the_recorded_metadata(shared: Path):
    path = shared / "reference" / "nets" / "torchvision_weights.json"
    facts = {row["url"]: row for row in json.loads(path.read_text())["weights"]}
    assert len(TORCHVISION) >= 10
    for card in TORCHVISION:
        fact = facts[card.files[0].url]
        assert card.builder == fact["builder"]
        assert card.files[0].sha256.startswith(fact["sha256_prefix"])
        assert card.size == round(fact["file_mb"] * 2**20)
        assert card.kind == {"detection": "detector", "optical_flow": "flow"}[fact["group"]]
        published = {
            f"{value:.{digits}f}"
            for metric in fact["metrics"].values()
            for value in metric.values()
            for digits in (1, 2)
        }
        assert set(re.findall(r"\d+\.\d+", card.accuracy)) <= published


def test_pose_rows_match_the_recorded_tables(shared: Path):
    text = (shared / "reference" / "nets" / "CHECKPOINTS.md").read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("| pose_")]
    # URL -> model, input and accuracy of every row that says it, the mistaken one included.
    said = {url: [] for row in rows for url in re.findall(r"https://\S+\.pth", row[-2])}
    for row in rows:
        for url in re.findall(r"https://\S+\.pth", row[-2]):
            said[url].append((row[1].strip(), row[2].strip(), float(row[3])))
    assert len(POSE) >= 10
    for card in POSE:
        width, height = card.input_size
        for file in card.files:
            models = [(model, size) for model, size, _ in said[file.url]]
            model = f"pose_resnet_{card.depth}" if card.depth else f"pose_{card.name[:9]}"
            assert (model, f"{height}x{width}") in models
        best = max(float(value) for value in re.findall(r"\d+\.\d", card.accuracy))
        mine = [
            entry[2] if entry[2] > 1 else 100 * entry[2]
            for entry in said[card.files[0].url]
            if entry[1] == f"{height}x{width}"
        ]
        assert mine == [pytest.approx(best)]


def test_sizes_of_pose_files_are_those_of_their_tensors(shared: Path):
    networks = ("pose_resnet50", "pose_resnet101", "pose_resnet152", "hrnet_w32", "hrnet_w48")
    for network in networks:
        path = shared / "reference" / "nets" / "keys" / f"mmpose1_{network}.json.gz"
        keys = json.loads(gzip.decompress(path.read_bytes()))["keys"]
        tensors = sum(
            math.prod(shape) * (8 if "int64" in dtype else 4) for dtype, shape in keys.values()
        )
        for card in POSE:
            if card.name.startswith(f"{network}_coco"):
                assert card.size == tensors


def test_the_mistaken_link_of_resnet_101_at_384x288_is_not_used():
    card = MODELS["pose_resnet101_coco_384x288"]
    assert [file.sha256 for file in card.files] == ["8c71bdc9"]


def test_hyphens_are_as_good_as_underscores():
    assert find_entry("raft-small") is find_entry("raft_small")


def test_an_unknown_name_says_which_names_are_close():
    with pytest.raises(ValueError, match="did you mean 'pose_resnet50_coco_256x192'"):
        find_entry("pose_resnet50_coco_256x129")
    with pytest.raises(ValueError, match="posetrack models list"):
        find_entry("zzz")


@pytest.mark.parametrize(
    ("url", "sha256", "message"),
    [
        ("file:///etc/passwd", "0" * 8, "only https"),
        ("http://example.org/a.pth", "0" * 8, "only https"),
        ("ftp://example.org/a.pth", "0" * 8, "only https"),
        ("https:///a.pth", "0" * 8, "only https"),
        ("https://example.org/", "0" * 8, "plain file name"),
        ("https://example.org/..", "0" * 8, "plain file name"),
        ("https://example.org/a%2Fb.pth", "0" * 8, "plain file name"),
        ("https://example.org/a.pth", "0" * 7, "hex digits"),
        ("https://example.org/a.pth", "G" * 8, "hex digits"),
        ("https://example.org/a.pth", "A" * 8, "hex digits"),
    ],
)
def test_a_file_with_a_bad_url_or_hash_cannot_be_listed(url, sha256, message):
    with pytest.raises(ValueError, match=message):
        RemoteFile(url, sha256, "torchvision")


def test_a_model_needs_a_file_and_a_size():
    file = RemoteFile("https://example.org/a.pth", "0" * 8, "torchvision")
    with pytest.raises(ValueError, match="at least one file"):
        CatalogueEntry("a", "flow", "a", (), 10)
    with pytest.raises(ValueError, match="size"):
        CatalogueEntry("a", "flow", "a", (file,), 0)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        MODELS["mine"] = CARDS[0]


def test_the_docs_have_the_table_of_all_networks():
    from posetrack.cli.models import as_markdown

    docs = Path(__file__).parents[1] / "docs" / "networks.md"
    if not docs.is_file():
        pytest.skip("the docs are not beside the tests")
    assert as_markdown(CARDS) in docs.read_text(encoding="utf-8")
