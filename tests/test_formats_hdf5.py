"""HDF5 that leads elsewhere, or claims and unpacks to more than there is: refused by name."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import posetrack
from posetrack.formats.dlc import read_dlc_h5
from posetrack.formats.hints import Hints
from posetrack.formats.movement import read_movement
from posetrack.formats.sleap import read_sleap

h5py = pytest.importorskip("h5py", reason="needs h5py")

Reader = Callable[[Path, Hints], Any]
READERS = pytest.mark.parametrize(
    ("read", "name"),
    [(read_sleap, "tracks"), (read_movement, "position"), (read_dlc_h5, "df_with_missing/table")],
)
HINTS = Hints(rate=10)


def sleap(path: Path, **packing: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("tracks", data=np.ones((1, 2, 3, 4)), **packing)
        file.create_dataset("node_names", data=np.array([b"paw", b"tail", b"nose"]))
        file.create_dataset("track_names", data=np.array([b"track_0"]))
    return path


@READERS
def test_a_link_to_another_file_is_not_followed(read: Reader, name: str, tmp_path: Path) -> None:
    sleap(tmp_path / "other.h5")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[name] = h5py.ExternalLink("other.h5", "/tracks")
    with pytest.raises(ValueError, match=rf"a\.h5: '{name}' lies in other files"):
        read(tmp_path / "a.h5", HINTS)


@READERS
def test_a_dataset_made_of_others_is_not_read(read: Reader, name: str, tmp_path: Path) -> None:
    sleap(tmp_path / "other.h5")
    layout = h5py.VirtualLayout(shape=(1, 2, 3, 4), dtype="f8")
    layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "tracks", shape=(1, 2, 3, 4))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_virtual_dataset(name, layout)
    with pytest.raises(ValueError, match=rf"a\.h5: '{name}' lies in other files"):
        read(tmp_path / "a.h5", HINTS)


@READERS
def test_a_dataset_of_another_file_s_bytes_is_not_read(
    read: Reader, name: str, tmp_path: Path
) -> None:
    (tmp_path / "raw").write_bytes(bytes(96))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(name, (1, 2, 3, 2), "f8", external=[(tmp_path / "raw", 0, 96)])
    with pytest.raises(ValueError, match=rf"a\.h5: '{name}' lies in other files"):
        read(tmp_path / "a.h5", HINTS)


@READERS
def test_a_claim_of_many_numbers_is_refused_before_they_have_room(
    read: Reader, name: str, tmp_path: Path
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset(name, (10**6, 10, 10, 10**4), "f8", chunks=(1, 1, 1, 100))
    assert (tmp_path / "a.h5").stat().st_size < 10_000
    with pytest.raises(ValueError, match=rf"a\.h5: '{name}' claims 1,000,000,000,000 numbers"):
        read(tmp_path / "a.h5", HINTS)


def test_a_claim_of_any_other_dataset_is_refused_too(tmp_path: Path) -> None:
    with h5py.File(sleap(tmp_path / "a.h5"), "a") as file:
        file.create_dataset("deep/in/individuals", (10**12,), "f8", chunks=(100,))
    with pytest.raises(ValueError, match=r"a\.h5: 'deep/in/individuals' claims"):
        posetrack.load(tmp_path / "a.h5", rate=10)


def test_a_chunk_that_unpacks_to_more_than_a_chunk_is_refused(tmp_path: Path) -> None:
    with h5py.File(sleap(tmp_path / "a.h5", compression="gzip"), "a") as file:
        file["tracks"].id.write_direct_chunk((0, 0, 0, 0), zlib.compress(bytes(50_000_000)))
    assert (tmp_path / "a.h5").stat().st_size < 100_000
    with pytest.raises(ValueError, match=r"a\.h5: 'tracks' unpacks to more than the numbers"):
        posetrack.load(tmp_path / "a.h5", rate=10)


def test_data_packed_twice_are_refused(tmp_path: Path) -> None:
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    made.set_chunk((1, 2, 3, 4))
    made.set_deflate(9)
    made.set_shuffle()
    with h5py.File(tmp_path / "a.h5", "w") as file:
        space = h5py.h5s.create_simple((1, 2, 3, 4))
        h5py.h5d.create(file.id, b"tracks", h5py.h5t.IEEE_F64LE, space, made)
    with pytest.raises(ValueError, match=r"a\.h5: 'tracks' is packed more than once"):
        posetrack.load(tmp_path / "a.h5", rate=10)


def test_an_attribute_that_claims_too_much_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file.create_dataset("tracks", data=np.ones((1, 2, 3, 4)))
        file["tracks"].attrs["dims"] = np.zeros(10_000_001, np.int8)
    with pytest.raises(ValueError, match=r"a\.h5: 'dims' of 'tracks' claims 10,000,001 values"):
        posetrack.load(tmp_path / "a.h5", rate=10)


@pytest.mark.parametrize(
    "packing",
    [
        {},
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "fletcher32": True},
        {"compression": "lzf"},
        {"chunks": (1, 1, 2, 3), "compression": "gzip"},
    ],
)
def test_packed_data_and_links_within_the_file_are_read(
    packing: dict[str, Any], tmp_path: Path
) -> None:
    with h5py.File(sleap(tmp_path / "a.h5", **packing), "a") as file:
        file["names"] = file["node_names"]
        del file["node_names"]
        file["node_names"] = h5py.SoftLink("/names")
    found = posetrack.load(tmp_path / "a.h5", rate=10)
    assert found.xy.shape == (4, 1, 3, 2)
    assert (found.xy == 1).all()


@pytest.mark.parametrize("kind", ["group", "attribute", "soft link"])
def test_names_in_hdf5_that_are_no_text_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "names.h5"
    with h5py.File(path, "w") as file:
        if kind == "group":
            file.create_group(b"tracks\xff")
        elif kind == "attribute":
            h5py.h5a.create(
                file.id, b"a\xff", h5py.h5t.NATIVE_INT8, h5py.h5s.create(h5py.h5s.SCALAR)
            )
        else:
            file.id.links.create_soft(b"soft\xff", b"/nowhere")
    with pytest.raises(ValueError, match=r"names\.h5: damaged, the name .* in it is not text"):
        posetrack.load(path, rate=25.0)
