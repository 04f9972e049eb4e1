"""Files: written whole or not at all, read within bounds, hashed, dated; and our folder.

Everything that is read here is data from outside: its size is checked before it is held, its
types before it is used, and errors name the file. Text may begin with a byte-order mark and end
its lines as Windows does. Nothing here knows what a file is about.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import itertools
import json
import math
import os
import re
import sys
import tomllib
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final, Self, TypeAlias, TypeVar, overload

from posetrack.checks import no_such_file, reason_of

Kind = TypeVar("Kind")
Content: TypeAlias = bytes | str | Iterable[bytes]

MAX_JSON_BYTES: Final = 2_000_000_000
"""Larger JSON files are refused before they fill the memory."""
MAX_TEXT_BYTES: Final = 1_000_000
"""Files that people write by hand are smaller."""

_MAX_PARTIALS = 1000
_MAX_NAME_BYTES = 180
_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')
_RESERVED = re.compile(r"con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]", re.IGNORECASE)
_PIECE_BYTES = 1 << 22
_LAST: Final = 253_402_300_799  # the last second of the year 9999
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WORDS: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def partial_name(path: Path, number: int = 1, suffix: str | None = None) -> Path:
    """The name of an unfinished file beside ``path``.

    Parameters
    ----------
    path
        Where the whole file will be.
    number
        From 1; larger where earlier runs have left theirs.
    suffix
        Another ending, for spools; ``path``'s own when None.

    Examples
    --------
    >>> partial_name(Path("out/match.csv")).name, partial_name(Path("a.parquet"), 2, ".arrows").name
    ('match.partial.csv', 'a.partial-2.arrows')
    """
    mark = ".partial" if number == 1 else f".partial-{number}"
    return path.with_name(path.stem + mark + (path.suffix if suffix is None else suffix))


def lock_file(file: IO[bytes], *, wait: bool) -> bool:
    """Lock an open file for this process alone; the system lets go of it when the process ends.

    Parameters
    ----------
    file
        What to lock. Processes that do not ask for the lock are not kept away, but on Windows.
    wait
        Whether to wait until no other holds it; on Windows there is no waiting.

    Returns
    -------
    locked
        False where the file system cannot lock.

    Raises
    ------
    BlockingIOError
        If another holds it and ``wait`` is False.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryFile() as file:
    ...     lock_file(file, wait=True)
    True
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:
        return False
    return True


class PartialFile:
    """An unfinished file beside ``path``, created anew, never over an existing one.

    Parameters
    ----------
    path
        Where the whole file is to appear.
    suffix
        The ending of the unfinished one; ``path``'s own when None.
    durable
        Whether to wait until it is on the disk before it takes its name, so that not even a power
        cut leaves half a file. What can be made again need not wait.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written to, or ``path`` is a folder or device:
        at once, not after an hour of tracking.
    """

    def __init__(self, path: Path, suffix: str | None = None, *, durable: bool = True) -> None:
        if not path.parent.is_dir():
            raise FileNotFoundError(f"cannot write {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise IsADirectoryError(f"cannot write {path}: it is a folder; give a file name")
        if path.exists() and not path.is_file():  # it would be replaced, for everybody
            raise OSError(f"cannot write {path}: it is a device or pipe; give a file name")
        self.path = path
        self._durable = durable
        for number in range(1, _MAX_PARTIALS):
            self.partial = partial_name(path, number, suffix)
            if partial_name(path, number).exists():
                continue  # what a spool becomes when its run is aborted must be free, too
            try:
                # Unbuffered: what was written is with the operating system, and survives a kill.
                self._stream = self.partial.open("xb", buffering=0)
            except FileExistsError:
                continue
            except OSError as error:
                raise type(error)(f"cannot write {path}: {reason_of(error)}") from error
            self._length = 0
            self._claim()
            return
        raise FileExistsError(f"{_MAX_PARTIALS} unfinished files beside {path}; remove some")

    @classmethod
    def reopen(cls, path: Path, partial: Path, length: int, *, durable: bool = True) -> Self:
        """Go on with an unfinished file of an earlier process, from ``length`` bytes on.

        Parameters
        ----------
        path
            Where the whole file is to appear.
        partial
            The unfinished one, in the same folder; what it has beyond ``length`` is cut off.
        length
            How many of its bytes are known to be good.
        durable
            See the class.

        Raises
        ------
        OSError
            If it is not there, a link, cannot be written to, or another process is writing it.
        ValueError
            If it is shorter than that.
        """
        self = cls.__new__(cls)
        self.path, self.partial, self._durable, self._length = path, partial, durable, length
        if partial.is_symlink():
            raise OSError(f"{partial}: a link, not the file that was written here")
        self._stream = partial.open("r+b", buffering=0)
        self._claim()
        if self._stream.seek(0, os.SEEK_END) < length:
            self._stream.close()
            raise ValueError(f"{partial}: shorter than it was ({length:,} bytes)")
        self._stream.truncate(length)
        self._stream.seek(length)
        return self

    def _claim(self) -> None:
        """Keep other processes from going on with it as long as this one lives."""
        if sys.platform == "win32":
            return  # what is locked there nobody may read
        try:
            lock_file(self._stream, wait=False)
        except BlockingIOError:
            self._stream.close()
            raise BlockingIOError(
                f"{self.partial}: another process is writing it; wait until it ends, or end it"
            ) from None

    def write(self, data: bytes | memoryview) -> None:
        """Write all of ``data`` where it stands, or, where that fails, add nothing of it."""
        view = memoryview(data).cast("B")
        start = self._stream.tell()
        try:
            while view:
                view = view[self._stream.write(view) or 0 :]
        except BaseException as error:
            # Half a row would spoil the rows before it for most readers.
            self._stream.truncate(self._length)
            self._stream.seek(min(start, self._length))
            if isinstance(error, OSError):
                error.filename = str(self.partial)
            raise
        self._length = max(self._length, self._stream.tell())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go elsewhere in it, for formats that complete their beginning at the end."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """Where in it the next `write` goes."""
        return self._stream.tell()

    def sync(self) -> int:
        """Wait until all of it is on the disk, and give its length in bytes."""
        os.fsync(self._stream.fileno())
        return self._length

    @property
    def closed(self) -> bool:
        """Whether nothing can be written any more; libraries that write to files ask."""
        return self._stream.closed

    def flush(self) -> None:
        """Do nothing: all that was written has left."""

    def keep(self) -> Path:
        """Close it where it is."""
        if not self._stream.closed:
            if self._durable:
                os.fsync(self._stream.fileno())
            self._stream.close()
        return self.partial

    def publish(self) -> None:
        """Close it, safe on the disk, and give it its name in one step."""
        self.keep()
        self.partial.replace(self.path)
        if self._durable:
            _sync_folder(self.path.parent)

    def discard(self) -> None:
        """Close and remove it."""
        self._stream.close()
        self.partial.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_whole(path: str | Path, content: Content, *, durable: bool = True) -> None:
    """Write a file that appears under its name only when it is whole.

    What there was under that name stays until then.

    Parameters
    ----------
    path
        The file; its folder exists.
    content
        Bytes, text (written as UTF-8, its line ends as they are), or pieces of bytes.
    durable
        See `PartialFile`.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left of it then.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> write_whole(path, "seen")
    >>> path.read_bytes(), sorted(file.name for file in path.parent.iterdir())
    (b'seen', ['note.txt'])
    """
    write_together((Path(path), content), durable=durable)


def write_together(*files: tuple[Path, Content], durable: bool = True) -> None:
    """Write files so that all appear, whole, or none does.

    They take their names in the order given, once all are safe on the disk.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_together((folder / "a.csv", b"1"), (folder / "a.csv.meta.json", b"{}"))
    >>> sorted(path.name for path in folder.iterdir())
    ['a.csv', 'a.csv.meta.json']
    """
    written: list[PartialFile] = []
    try:
        for path, content in files:
            written.append(PartialFile(path, durable=durable))
            for piece in _pieces(content):
                written[-1].write(piece)
            written[-1].keep()
        for file in written:
            file.publish()
    except BaseException:
        for file in written:
            file.discard()
        raise


def _pieces(content: Content) -> Iterable[bytes]:
    if isinstance(content, str):
        return [content.encode()]
    return [content] if isinstance(content, bytes) else content


def legal_name(title: str, taken: Iterable[str] = ()) -> str:
    r"""A name for a file or folder after a title, legal on Linux, macOS and Windows.

    Whatever names a file after its source, a sequence or a person takes the name from here.

    Parameters
    ----------
    title
        What it is to be called after, without ending. Bytes of a name that are not UTF-8, as
        Python holds them, are written ``%E9``; what no system allows is written ``_``.
    taken
        Names that are given already; upper and lower case, and accents composed or not, count as
        the same, as they do on Windows and macOS.

    Returns
    -------
    Not empty, and at most 180 bytes, which leaves room for endings.

    Examples
    --------
    >>> legal_name("final: a/b?"), legal_name("con.left"), legal_name("walk . ")
    ('final_ a_b_', 'con_.left', 'walk')
    >>> legal_name("Match", ["match"]), legal_name("caf\udce9")
    ('Match-2', 'caf%E9')
    """
    text = "".join(f"%{ord(c) - 0xDC00:02X}" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in title)
    text = _ILLEGAL.sub("_", text).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    text = text.rstrip(" .")
    first, dot, rest = text.partition(".")
    if _RESERVED.fullmatch(first.rstrip()):
        text = f"{first.rstrip()}_{dot}{rest}"
    text = text or "unnamed"
    keys = {_name_key(name) for name in taken}
    number, unique = 2, text
    while _name_key(unique) in keys:
        unique, number = f"{text}-{number}", number + 1
    return unique


def _name_key(name: str) -> str:
    """Alike for names that are one file's on some system."""
    return unicodedata.normalize("NFC", name.casefold())


def printable(name: str) -> str:
    r"""A file's name as text that can be shown and stored: bytes that are not UTF-8 escaped.

    Examples
    --------
    >>> printable("caf\udce9.mp4"), printable("café.mp4")
    ('caf\\xe9.mp4', 'café.mp4')
    """
    try:
        data = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half a character, which no file system gives
        data = name.encode("utf-8", "backslashreplace")
    return data.decode("utf-8", "backslashreplace")


_SECRET_PARAMETER: Final = re.compile(
    r"([?&;][^=&;#]*(?:user|usr|login|pass|pwd|token|key|auth|secret|sig|credential|session)"
    r"[^=&;#]*=)[^&;#]*",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")


def without_credentials(source: str) -> str:
    """A path or address as text that can be shown and stored: without user name and password.

    Cameras also take them, and services keys, behind a question mark: what such a parameter is set
    to is left out.

    Examples
    --------
    >>> without_credentials("rtsp://me:secret@camera.example:554/live")
    'rtsp://camera.example:554/live'
    >>> without_credentials("http://camera.example/mjpg?user=me&pwd=secret&size=2")
    'http://camera.example/mjpg?user=*&pwd=*&size=2'
    >>> without_credentials("games/me@home.mp4")
    'games/me@home.mp4'
    """
    if "://" not in source:
        return printable(source)
    # Everything up to the last @ of the host's part is a user's name and password. What is not
    # taken apart keeps its slashes, as in memory:///games/hall.mp4.
    bare = re.sub(r"^([^:/?#]+://)[^/?#]*@", r"\1", source)
    return printable(_SECRET_PARAMETER.sub(r"\1*", bare))


def hide_credentials(text: str) -> str:
    """A sentence whose addresses are without user names and passwords.

    Examples
    --------
    >>> hide_credentials("404, url='https://me:secret@store.example/a.mp4' is not there")
    "404, url='https://store.example/a.mp4' is not there"
    """
    return _ADDRESS.sub(lambda found: without_credentials(found[0]), text)


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, or of all files of a folder in the order of their names.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "empty"
    >>> path.touch()
    >>> sha256_of(path)[:8]
    'e3b0c442'
    """
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file():
            with file.open("rb") as content:
                while part := content.read(1 << 20):
                    digest.update(part)
    return digest.hexdigest()


@contextmanager
def errors_naming(path: str | Path) -> Iterator[None]:
    """Turn any error of a reader on a broken file into a ValueError that names the file.

    Errors that name it already, and those of the system, stay as they are.

    Examples
    --------
    >>> with errors_naming("a.bin"):
    ...     {}["frame"]
    Traceback (most recent call last):
        ...
    ValueError: a.bin: no 'frame'
    """
    try:
        yield
    except (
        *(ValueError, LookupError, TypeError, ArithmeticError, AttributeError),
        NotImplementedError,
    ) as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise ValueError(f"{path}: {reason}") from error


def read_bytes(path: str | Path, max_bytes: int) -> bytes:
    """All of a file, unpacked where its name ends in ``.gz``.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is larger than ``max_bytes`` (unpacked), or not whole.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt.gz"
    >>> _ = path.write_bytes(gzip.compress(b"text"))
    >>> read_bytes(path, 100)
    b'text'
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: a folder; expected a file")
    if not path.is_file():
        raise no_such_file(Path(path))
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            # In pieces: to ask for all that is allowed at once takes that much memory first.
            pieces, left = [], max_bytes + 1
            while left > 0 and (piece := stream.read(min(left, _PIECE_BYTES))):
                pieces.append(piece)
                left -= len(piece)
            data = b"".join(pieces)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path}: not a whole gzip file: {error}") from error
    if len(data) > max_bytes:
        raise ValueError(f"{path}: more than {max_bytes:,} bytes; that is not what is read here")
    return data


def count_unpacked_bytes(packed: bytes, most: int) -> int:
    """Bytes that a zlib stream unpacks to, counted to a little over ``most`` and not held.

    Of a damaged one, what comes before the damage.

    Examples
    --------
    >>> count_unpacked_bytes(zlib.compress(bytes(1000)), 5000)
    1000
    """
    inflater, size = zlib.decompressobj(), 0
    try:
        while size <= most and (part := inflater.decompress(packed, 1 << 20)):
            size += len(part)
            packed = inflater.unconsumed_tail
    except zlib.error:
        pass
    return size


def read_text(path: str | Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    r"""Text in UTF-8, or in UTF-16 with its mark; without mark, lines ending in ``\n``.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is larger than ``max_bytes``, or not text.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "list.txt"
    >>> write_whole(path, b"\xef\xbb\xbfone\r\ntwo")
    >>> read_text(path)
    'one\ntwo'
    """
    return text_of(read_bytes(path, max_bytes), str(path))


def text_of(data: bytes, title: str) -> str:
    """The text that ``data`` is, as `read_text` gives it; errors name ``title``."""
    try:
        text = data.decode("utf-16" if data.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        name = "UTF-16" if data.startswith(_UTF_16) else "UTF-8"
        raise ValueError(f"{title}: not text in {name}: {error}; save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_toml(path: str | Path, max_bytes: int = MAX_TEXT_BYTES) -> dict[str, Any]:
    """The table that a TOML file is.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is larger than ``max_bytes``, or not TOML.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "rules.toml"
    >>> _ = path.write_text("frames = 3")
    >>> read_toml(path)
    {'frames': 3}
    """
    text = read_text(path, max_bytes)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}") from error


def dump_json(value: object) -> bytes:
    """Compact UTF-8 JSON; NaN, which is not JSON, is refused.

    Examples
    --------
    >>> dump_json({"a": [1, 2.5]})
    b'{"a":[1,2.5]}'
    """
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


@overload
def read_json(path: str | Path, *, nan: bool = False, max_bytes: int = MAX_JSON_BYTES) -> Any: ...
@overload
def read_json(
    path: str | Path, kind: type[Kind], *, nan: bool = False, max_bytes: int = MAX_JSON_BYTES
) -> Kind: ...
def read_json(
    path: str | Path, kind: Any = Any, *, nan: bool = False, max_bytes: int = MAX_JSON_BYTES
) -> Any:
    """What a JSON file holds, packed with gzip or not, its types checked.

    Parameters
    ----------
    path
        The file.
    kind
        What it must be: a type as msgspec takes it, such as a ``msgspec.Struct`` or
        ``list[float]``. Keys that a struct does not name are passed over; of a key that is there
        twice the last counts; whole numbers may be written as ``1.0``.
    nan
        Whether ``NaN`` and ``Infinity``, which JSON does not know and other programs write all
        the same, are read.
    max_bytes
        Larger files are refused.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If it is too large, cut off, nested too deeply, not JSON, or not of that kind; the message
        names the file and the place in it.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "ids.json"
    >>> write_whole(path, "[1, 2.0]")
    >>> read_json(path, list[int])
    [1, 2]
    >>> read_json(path, list[str])
    Traceback (most recent call last):
        ...
    ValueError: ...ids.json: [0]: expected a text, got 1
    """
    return parse_json(read_bytes(path, max_bytes), str(path), kind, nan=nan)


def parse_json(data: bytes | str, title: str, kind: Any = Any, *, nan: bool = False) -> Any:
    """What JSON in ``data`` holds, as `read_json` gives it; errors name ``title``.

    Examples
    --------
    >>> parse_json(b'{"frames": 3}', "a.json")
    {'frames': 3}
    >>> parse_json("{", "a.json")
    Traceback (most recent call last):
    ValueError: a.json: not JSON: Input data was truncated
    """
    import msgspec

    if isinstance(data, bytes) and data.startswith((codecs.BOM_UTF8, *_UTF_16)):
        data = text_of(data, title)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError:
        pass  # perhaps a whole number written as 1.0
    except msgspec.DecodeError as error:
        if not nan:
            raise ValueError(f"{title}: not JSON: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{title}: not JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{title}: not JSON that is read here: nested too deeply") from error

    def constant(name: str) -> float:
        if not nan:
            raise ValueError(f"{name} is not a JSON number")
        return float(name)

    try:
        document = json.loads(data, parse_float=_short_number, parse_constant=constant)
    except RecursionError as error:
        raise ValueError(f"{title}: not JSON that is read here: nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"{title}: not JSON: {error}") from error
    return as_kind(document, title, kind)


def read_json_frames(path: str | Path, *, max_bytes: int = MAX_JSON_BYTES) -> list[Any]:
    r"""Documents of a file of JSON lines, or the one of a JSON file; NaN is read.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is too large, or neither; the message names the file and the line.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "frames.json"
    >>> write_whole(path, '{"frame": 1}\n\n{"frame": 2}\n')
    >>> read_json_frames(path)
    [{'frame': 1}, {'frame': 2}]
    """
    text = read_text(path, max_bytes)
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) < 2 or not are_json_lines(lines[0][1]):
        return [parse_json(text, str(path), nan=True)]
    return [parse_json(line, f"{path}, line {n}", nan=True) for n, line in lines]


def are_json_lines(first: str) -> bool:
    """Whether the first line of a file is a list or an object by itself.

    Examples
    --------
    >>> are_json_lines('{"frame": 1}'), are_json_lines("["), are_json_lines("[[1, 2],")
    (True, False, False)
    """
    try:
        return isinstance(parse_json(first, "", nan=True), list | dict)
    except ValueError:
        return False


def as_kind(document: Any, title: str, kind: Any) -> Any:
    """Parsed JSON or TOML as what it must be; errors name ``title`` and the place in it.

    Examples
    --------
    >>> as_kind({"a": [1, "x"]}, "here", dict[str, list[int]])
    Traceback (most recent call last):
        ...
    ValueError: here: [...][1]: expected a whole number, got a text
    """
    import msgspec

    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{title}: {_in_words(str(error), document)}") from error
    except RecursionError as error:
        raise ValueError(f"{title}: nested too deeply") from error


def _short_number(text: str) -> float | int:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text:.40} is out of range")
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _in_words(message: str, document: Any) -> str:
    """A complaint of msgspec in plain words: the place, what was expected, what is there."""
    message, _, path = message.partition(" - at `$")
    path = path.rstrip("`").removeprefix(".")
    kinds = re.sub(
        r"`([^`]*)`",
        lambda match: _kinds(match[1].split(" | ")),
        message,
    )
    kinds = kinds[:1].lower() + kinds[1:]
    found: Any = document
    for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        try:
            found = found[int(number) if number else key]
        except (KeyError, IndexError, TypeError, ValueError):
            break
    else:
        if ", got " in kinds and "[...]" not in path:
            kinds = f"{kinds.partition(', got ')[0]}, got {json.dumps(found, default=str):.60}"
    return f"{path}: {kinds}" if path else kinds


def _kinds(words: list[str]) -> str:
    """Kinds of values in words; null stands for missing ones, and whole numbers are numbers.

    Examples
    --------
    >>> _kinds(["int", "float", "null"]), _kinds(["str"]), _kinds(["track_id"])
    ('a number', 'a text', "'track_id'")
    """
    kept = [word for word in words if word != "null" or len(words) == 1]
    kept = [word for word in kept if word != "int" or "float" not in kept]
    return " or ".join(_WORDS.get(word, f"'{word}'") for word in kept)


def date_of_writing() -> datetime:
    """The date to write into a file: now, or what ``SOURCE_DATE_EPOCH`` says.

    With that variable set, the same run gives the same bytes whenever it is repeated. Whatever
    puts a date into a file takes it from here. Source: reproducible-builds.org,
    "SOURCE_DATE_EPOCH specification" 1.1.

    Returns
    -------
    datetime
        In UTC.

    Raises
    ------
    ValueError
        If ``SOURCE_DATE_EPOCH`` is set, not empty, and no whole number of seconds since 1970.

    Examples
    --------
    >>> os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    >>> date_of_writing().isoformat()
    '2023-11-14T22:13:20+00:00'
    >>> del os.environ["SOURCE_DATE_EPOCH"]
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return datetime.now(UTC)
    # int() takes blanks, underscores and the digits of other scripts, too.
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 13 else _LAST + 1
    if seconds > _LAST:
        raise ValueError(
            f"SOURCE_DATE_EPOCH is {text!r:.40}; expected seconds since 1970, a whole number such "
            "as 1700000000: correct or unset it"
        )
    return datetime.fromtimestamp(seconds, UTC)


def cache_folder() -> Path:
    """The cache folder: ``POSETRACK_HOME``, else the platform's.

    Raises
    ------
    FileNotFoundError
        If neither ``POSETRACK_HOME`` nor a home folder is known.

    Examples
    --------
    >>> import os
    >>> os.environ["POSETRACK_HOME"] = "somewhere"
    >>> cache_folder().name
    'somewhere'
    >>> del os.environ["POSETRACK_HOME"]
    """
    home = os.environ.get("POSETRACK_HOME")
    try:
        if home:
            return Path(home).expanduser()
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("posetrack", appauthor=False))
    except RuntimeError as error:
        raise _no_home() from error
    if not folder.is_absolute():  # what older releases of platformdirs give then: "~/.cache"
        raise _no_home()
    return folder


def _no_home() -> FileNotFoundError:
    return FileNotFoundError(
        "no home folder is known for this user; set POSETRACK_HOME to a folder of yours"
    )


def json_files(folder: Path) -> list[Path]:
    """JSON files of a folder by name.

    Raises
    ------
    ValueError
        If a file is there twice, packed and not.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("b.json", "a.json.gz", "notes.txt"):
    ...     (folder / name).touch()
    >>> [path.name for path in json_files(folder)]
    ['a.json.gz', 'b.json']
    """
    files = sorted(
        (path for path in folder.iterdir() if path.name.endswith((".json", ".json.gz"))),
        key=json_stem,
    )
    for first, second in itertools.pairwise(files):
        if json_stem(first) == json_stem(second):
            raise ValueError(f"{folder} holds both {first.name} and {second.name}: remove one")
    return files


def json_stem(path: Path) -> str:
    """Name of a JSON file, packed or not.

    Examples
    --------
    >>> json_stem(Path("a/b.json.gz"))
    'b.json'
    """
    return path.name.removesuffix(".gz")


def folder_of_process(prefix: str) -> Path:
    """A new temporary folder of this process; those that killed processes left are taken away.

    Its name holds the process's number, by which a later one sees that it is gone.

    Parameters
    ----------
    prefix
        Of its name: what uses it.

    Examples
    --------
    >>> folder = folder_of_process("posetrack-example")
    >>> folder.name.startswith(f"posetrack-example-{os.getpid()}-"), folder.rmdir()
    (True, None)
    """
    import shutil
    import tempfile

    for left in Path(tempfile.gettempdir()).glob(f"{prefix}-*"):
        found = re.fullmatch(rf"{re.escape(prefix)}-(\d{{1,9}})-.*", left.name)
        if found and left.is_dir() and not left.is_symlink() and not _is_running(int(found[1])):
            shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{prefix}-{os.getpid()}-"))


def _is_running(process: int) -> bool:
    if sys.platform == "win32":
        return True  # a signal 0 would end it there
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
