"""Reads XML of other programs within bounds: no declarations, no entities, limited depth.

The parser is expat, which comes with Python; what it is given is data from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from posetrack.checks import no_such_file

_MOST_BYTES: Final = 2_000_000_000
_DEEPEST: Final = 100
_PIECE: Final = 1 << 20

Start = Callable[[str, Mapping[str, str], int], None]
"""Takes an element's name, its attributes, and the line it begins in."""


def read_xml(path: Path, start: Start, end: Callable[[str, str], None]) -> None:
    """Walk through a file: ``start`` for each element, ``end`` with its name and own text.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not XML, too large or too deep, or declares types or entities.
    """
    if not path.is_file():
        raise no_such_file(path)
    parser = expat.ParserCreate()
    texts: list[list[str]] = []

    def refuse(*_: Any) -> None:
        raise ValueError(f"{path}: declares types or entities; that is not what is read here")

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        if len(texts) >= _DEEPEST:
            raise ValueError(f"{path}: elements over {_DEEPEST} deep")
        texts.append([])
        start(name, attributes, parser.CurrentLineNumber)

    def finish(name: str) -> None:
        end(name, "".join(texts.pop()).strip())

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = finish
    parser.CharacterDataHandler = lambda text: texts[-1].append(text) if texts else None
    read = 0
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_PIECE):
                read += len(piece)
                if read > _MOST_BYTES:
                    raise ValueError(f"{path}: more than {_MOST_BYTES:,} bytes")
                parser.Parse(piece, False)
            parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise ValueError(f"{path}: not whole XML: {error}") from error


class _FoundError(Exception):
    pass


def root_of(path: Path) -> str:
    """The name of the outermost element; empty where there is none.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.xml"
    >>> _ = path.write_text("<annotations><image/></annotations>")
    >>> root_of(path)
    'annotations'
    """
    found = ""

    def start(name: str, attributes: Mapping[str, str], line: int) -> None:
        nonlocal found
        del attributes, line
        found = name
        raise _FoundError

    def end(name: str, text: str) -> None:
        del name, text

    with suppress(_FoundError):
        read_xml(path, start, end)
    return found
