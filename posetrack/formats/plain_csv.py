"""CSV as other programs save it, read as plain CSV: UTF-8, commas, points in numbers.

Spreadsheets write UTF-16, semicolons and decimal commas where a country's custom is so, put tabs
for commas, leave empty lines, and cut the empty cells at a line's end off.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO, TypeVar, cast

_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LOOKED_AT: Final = 1 << 16
_LONGEST_ROW: Final = 10_000_000
_HEADER_ROWS: Final = 10
_PIECE_ROWS: Final = 1000
_DECIMAL_COMMA: Final = re.compile(r"[-+]?\d*,\d+(?:[eE][-+]?\d+)?", re.ASCII)
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)", re.ASCII)

Source = Callable[[], BinaryIO]
"""Opens a file anew at its first byte."""

Table = TypeVar("Table")


def read_csv(path: Path, read: Callable[[Source], Table]) -> Table:
    r"""What ``read`` makes of a file as it is, else of the same table as plain CSV.

    Parameters
    ----------
    path
        The file.
    read
        Takes a function that opens the file, and raises ValueError where it cannot read it.

    Raises
    ------
    ValueError
        What ``read`` raises; or if the file is not text.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("frame;x\n1;0,5\n")
    >>> read_csv(path, lambda source: source().read())
    b'frame,x\n1,0.5\n'
    """
    if not _is_plain(path):
        return read(partial(_open_plain, path))
    try:
        return read(lambda: path.open("rb"))
    except ValueError as error:
        try:
            return read(partial(_open_plain, path))
        except ValueError:
            raise error from None  # of the file as it is: its rows are those that people see


def first_row(path: Path) -> list[str]:
    """Cells of a file's first line, whatever its encoding and separator.

    Raises
    ------
    ValueError
        If it is not text.
    """
    with _open_plain(path, 1) as stream:
        line = stream.readline(_LONGEST_ROW).decode()
    return next(csv.reader([line.rstrip("\n")]), [])


def words_of(line: str) -> list[str]:
    """Numbers of a line without a header, parted by commas, semicolons or blanks.

    Examples
    --------
    >>> words_of("1,2, 0.5"), words_of('1;2;"0,5"'), words_of("1 2 0.5")
    (['1', '2', '0.5'], ['1', '2', '0.5'], ['1', '2', '0.5'])
    """
    line = line.replace('"', "")
    if ";" in line:
        return line.replace(",", ".").replace(";", " ").split()
    if "\t" in line and re.search(r"\d,\d", line):
        return line.replace(",", ".").split()
    return line.replace(",", " ").split()


def _is_plain(path: Path) -> bool:
    """Whether the file's beginning is UTF-8 with commas."""
    with path.open("rb") as stream:
        data = stream.read(_LOOKED_AT)
    if data.startswith(_UTF_16) or (b"\r" in data and b"\n" not in data):
        return False
    line = data.decode("utf-8-sig", "replace").lstrip("\r\n").partition("\n")[0]
    return _separator(line) == "," and not _SEPARATOR_LINE.fullmatch(line.strip())


def _separator(line: str) -> str:
    """What parts the cells of a header or of a row of numbers."""
    given = _SEPARATOR_LINE.fullmatch(line.strip())
    if given:
        return given[1]
    if ";" in line:
        return ";"
    return "\t" if line.count("\t") > line.count(",") else ","


def _open_plain(path: Path, most: int | None = None) -> BinaryIO:
    """A file as plain CSV; ``most`` rows of it."""
    return stream_of(_plain_pieces(path, most))


def stream_of(pieces: Iterator[bytes]) -> BinaryIO:
    r"""A stream of bytes that come in pieces.

    Examples
    --------
    >>> stream_of(iter([b"a,b", b"\n1,2"])).readline()
    b'a,b\n'
    """
    return cast(BinaryIO, io.BufferedReader(_Pieces(pieces)))


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._left = piece
        size = min(len(buffer), len(self._left))
        buffer[:size], self._left = self._left[:size], self._left[size:]
        return size


def _plain_pieces(path: Path, most: int | None) -> Iterator[bytes]:
    with path.open("rb") as raw:
        mark = raw.read(2)
        raw.seek(0)
        encoding = "utf-16" if mark in _UTF_16 else "utf-8-sig"
        # Each end of a line becomes "\n": what old Macs wrote has none of it.
        with io.TextIOWrapper(raw, encoding=encoding) as text:
            try:
                rows = itertools.islice(_plain_rows(_lines(text, path)), most)
                while piece := list(itertools.islice(rows, _PIECE_ROWS)):
                    out = io.StringIO()
                    csv.writer(out, lineterminator="\n").writerows(piece)
                    yield out.getvalue().encode()
            except UnicodeDecodeError as error:
                name = "UTF-16" if encoding == "utf-16" else "UTF-8"
                raise ValueError(
                    f"{path}: not text in {name}: {error}; save it as UTF-8"
                ) from error
            except csv.Error as error:
                what = "the first line is no table's" if most == 1 else "not CSV"
                raise ValueError(f"{path}: {what}: {error}") from error


def _lines(text: TextIO, path: Path) -> Iterator[str]:
    while line := text.readline(_LONGEST_ROW):
        if len(line) == _LONGEST_ROW:
            raise ValueError(f"{path}: a line of over {_LONGEST_ROW:,} characters")
        yield line


def _plain_rows(lines: Iterator[str]) -> Iterator[list[str]]:
    """Rows of equal length, their numbers with points; empty ones are left out."""
    first = next((line for line in lines if line.strip()), "")
    separator = _separator(first)
    if not _SEPARATOR_LINE.fullmatch(first.strip()):
        lines = itertools.chain([first], lines)
    rows = (row for row in map(_trim, csv.reader(lines, delimiter=separator)) if row)
    head = list(itertools.islice(rows, _HEADER_ROWS))
    width = max(map(len, head), default=0)
    for row in itertools.chain(head, rows):
        if separator != ",":
            row = [
                cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell for cell in row
            ]
        yield row + [""] * (width - len(row))


def _trim(row: Sequence[str]) -> list[str]:
    """Cells without the blanks around them and without empty ones at the end."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        cells.pop()
    return cells
