"""The ground floor: files are written whole, read within bounds, and named in errors."""

import gzip
import hashlib
import json
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from posetrack.files import (
    PartialFile,
    dump_json,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    read_toml,
    sha256_of,
    write_together,
    write_whole,
)

MARKS = {"utf-8": "utf-8", "utf-8 with mark": "utf-8-sig", "utf-16": "utf-16"}


class Item(msgspec.Struct):
    """Something with a number."""

    id: int
    xs: list[float] = []


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("content", ["é\r\n", b"\x00\xff", [b"a", b"b"], ""])
def test_what_is_written_is_there_and_nothing_beside_it(
    content: object, durable: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    write_whole(path, content, durable=durable)
    expected = content.encode() if isinstance(content, str) else content
    assert path.read_bytes() == (b"ab" if isinstance(content, list) else expected)
    assert names(tmp_path) == ["a.txt"]


def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise OSError("disk full")

    (tmp_path / "a.txt").write_bytes(b"before")
    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "a.txt", pieces())
    with pytest.raises(OSError, match="disk full"):
        write_together((tmp_path / "b.txt", b"whole"), (tmp_path / "a.txt", pieces()))
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"before"


@pytest.mark.skipif(sys.platform == "win32", reason="what is locked there nobody may read")
def test_an_unfinished_file_that_is_being_written_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    file = PartialFile(path)
    file.write(b"one,two")
    with pytest.raises(BlockingIOError, match=r"a\.partial\.csv: another process is writing it"):
        PartialFile.reopen(path, file.partial, 3)
    assert file.partial.read_bytes() == b"one,two"
    file.keep()
    again = PartialFile.reopen(path, file.partial, 3)
    again.discard()


def test_two_who_write_one_file_at_once_do_not_mix(tmp_path: Path) -> None:
    first, second = PartialFile(tmp_path / "a.csv"), PartialFile(tmp_path / "a.csv")
    first.write(b"1")
    second.write(b"2")
    first.publish()
    second.publish()
    assert (tmp_path / "a.csv").read_bytes() == b"2"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("encoding", MARKS.values(), ids=MARKS.keys())
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_text_is_read_whatever_mark_and_line_ends_it_has(
    encoding: str, end: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(f"a = 1{end}b = 'é'{end}".encode(encoding))
    assert read_text(path) == "a = 1\nb = 'é'\n"
    assert read_toml(path) == {"a": 1, "b": "é"}
    path.write_bytes(f'{{"a":{end}1}}'.encode(encoding))
    assert read_json(path) == {"a": 1}


def test_a_packed_file_is_unpacked_within_the_same_bounds(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"[1]"))
    assert read_json(path) == [1]
    path.write_bytes(gzip.compress(b" " * 10_000))
    with pytest.raises(ValueError, match=r"a\.json\.gz: more than 1,000 bytes"):
        read_bytes(path, 1000)
    path.write_bytes(gzip.compress(b"[1]")[:-4])
    with pytest.raises(ValueError, match=r"a\.json\.gz: not a whole gzip file"):
        read_json(path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1] x", "not JSON"),
        ("NaN", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"id": "1"}', r"id: expected a whole number, got \"1\""),
        ('{"id": true}', r"id: expected a whole number, got true"),
        ('{"id": 1.5}', r"id: expected a whole number, got 1\.5"),
        ('{"id": null}', r"id: expected a whole number, got null"),
        ('{"id": 1, "xs": [0, "x"]}', r"xs\[1\]: expected a number, got \"x\""),
        ('{"id": 1, "xs": [1e400]}', "out of range"),
        ('{"id": 1, "xs": 3}', "xs: expected a list, got 3"),
        ("{}", "missing required field 'id'"),
        ("[]", "expected an object, got "),
    ],
)
def test_json_of_another_kind_is_refused_with_the_place(
    content: str, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "item.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=complaint) as error:
        read_json(path, Item)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_whole_numbers_may_be_written_with_a_point_and_unknown_keys_are_passed_over() -> None:
    item = parse_json('{"id": 3.0, "more": [1.5], "xs": [1, 2.0, 2.5]}', "here", Item)
    assert item == Item(3, [1.0, 2.0, 2.5])
    assert type(item.id) is int


def test_nan_is_read_where_it_is_asked_for() -> None:
    assert str(parse_json("[NaN, -Infinity]", "here", list[float], nan=True)) == "[nan, -inf]"
    with pytest.raises(ValueError, match="here: not JSON"):
        parse_json("[NaN]", "here", list[float])


def test_numbers_with_many_digits_survive() -> None:
    values = [2**62, -(2**63), 0.1, 123456789.123456789]
    assert parse_json(dump_json(values), "here") == values == json.loads(dump_json(values))


@pytest.mark.parametrize("read", [read_text, read_json, read_toml])
def test_what_is_not_there_or_a_folder_is_said(read: object, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.x: no such file or folder"):
        read(tmp_path / "none.x")
    with pytest.raises(IsADirectoryError, match="a folder"):
        read(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="pipes as POSIX has them")
def test_a_device_or_pipe_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match=r"pipe\.csv: it is a device or pipe"):
        write_whole(pipe, "row")
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.csv"]


@pytest.mark.parametrize("read", [read_text, read_json, read_toml])
def test_bytes_that_are_no_text_are_refused_by_name(read: object, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\xff\xfe\xfd\x00\xd8\xd8")
    with pytest.raises(ValueError, match=r"a\.bin: not"):
        read(tmp_path / "a.bin")


def test_the_hash_of_a_folder_is_that_of_its_files_in_order(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"2")
    (tmp_path / "a").write_bytes(b"1")
    assert sha256_of(tmp_path) == hashlib.sha256(b"12").hexdigest()
    assert sha256_of(tmp_path / "b") == hashlib.sha256(b"2").hexdigest()


def test_a_small_file_takes_little_memory_whatever_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    tracemalloc.start()
    try:
        assert read_json(tmp_path / "a.json") == [1]
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
