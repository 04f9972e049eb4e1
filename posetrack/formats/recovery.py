"""Spools: what an unfinished Parquet or JSON file is kept as, and how it becomes the real one.

An Arrow stream and JSON lines can be read as far as they were written. Both begin with all that
the finished file says of itself, so finishing needs nothing but the spool: closing a writer,
aborting it, and recovering what a killed process left are the same step.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from posetrack.files import PartialFile, dump_json, errors_naming, write_together, write_whole
from posetrack.formats.metadata import parse_metadata, sidecar_path

if TYPE_CHECKING:
    import pyarrow as pa

METADATA_KEY: Final = b"posetrack"
IMAGE: Final = b'{"image":'
PERSON: Final = b'{"person":'
END: Final = b'{"end":true}\n'
"""Line after which a spool of JSON holds whole frames only; a killed process may leave more."""

_LONGEST_LINE = 64_000_000
_STEP = 1_000_000


def recover(path: str | Path) -> Path:
    """Finish what a killed run left: ``X.partial.arrows`` or ``.jsonl`` to ``.parquet``, ``.json``.

    The spool stays. (An unfinished CSV needs no finishing.) Frames without people after which the
    process was killed are not known to a recovered Parquet file.

    Parameters
    ----------
    path
        The spool.

    Returns
    -------
    Path
        The finished file beside it.

    Raises
    ------
    ValueError
        If it is no spool of ours.
    FileExistsError
        If the finished file is there already.

    Examples
    --------
    >>> import shutil, tempfile
    >>> from posetrack.formats import ParquetWriter
    >>> from posetrack.skeletons import COCO_17
    >>> folder = Path(tempfile.mkdtemp())
    >>> with ParquetWriter(folder / "walk.parquet", COCO_17):  # as if its process were killed here
    ...     spool = shutil.copy(folder / "walk.partial.arrows", folder / "killed.partial.arrows")
    >>> recover(spool).name
    'killed.partial.parquet'
    """
    spool = Path(path)
    endings = {".arrows": ".parquet", ".jsonl": ".json"}
    if spool.suffix not in endings:
        known = " or ".join(endings)
        raise ValueError(f"{spool}: an unfinished file to recover ends in {known}")
    target = spool.with_suffix(endings[spool.suffix])
    if target.exists():
        raise FileExistsError(f"{target} is there already; move it away first")
    with errors_naming(spool):
        if spool.suffix == ".arrows":
            parquet_from_spool(spool, target, None)
        else:
            json_from_spool(spool, target)
    return target


def spool_batches(spool: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Schema and whole batches of an Arrow stream, up to where it was torn off."""
    import pyarrow as pa

    from posetrack.formats.arrow_arrays import open_arrow_file

    try:
        source = open_arrow_file(spool)
        reader = pa.ipc.open_stream(source)
    except (pa.ArrowInvalid, OSError, MemoryError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{spool}: not an Arrow stream of tracks: {error}") from error

    def batches() -> Iterator[pa.RecordBatch]:
        with source:
            while True:
                try:
                    batch = reader.read_next_batch()
                    batch.validate(full=True)
                except (StopIteration, pa.ArrowInvalid, OSError, MemoryError):
                    return  # where it was torn a length may be anything
                yield batch

    return reader.schema, batches()


def parquet_from_spool(spool: Path, target: Path, metadata: bytes | None) -> None:
    """Write a spool's rows as Parquet in groups, so that memory stays flat.

    Parameters
    ----------
    spool
        An Arrow stream.
    target
        The Parquet file, which appears whole or not at all.
    metadata
        JSON for the key ``posetrack``; the spool's own when None.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from posetrack.formats.arrow_arrays import GROUP_ROWS, parquet_options

    schema, batches = spool_batches(spool)
    if metadata is not None:
        schema = schema.with_metadata({METADATA_KEY: metadata})
    file = PartialFile(target)
    try:
        with pq.ParquetWriter(file, schema, **parquet_options(schema)) as writer:
            for group in _groups(batches, GROUP_ROWS):
                # In one piece: where pages end would else depend on when the run wrote its rows.
                whole = pa.Table.from_batches(group, schema).combine_chunks()
                writer.write_table(whole, row_group_size=GROUP_ROWS)
        file.publish()
    except BaseException:
        file.discard()
        raise


def _groups(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Batches gathered into groups of this many rows; the last may have fewer."""
    group: list[Any] = []
    count = 0
    for coming in batches:
        batch = coming.replace_schema_metadata(None)
        while count + len(batch) >= rows:
            yield [*group, batch.slice(0, rows - count)]
            batch, group, count = batch.slice(rows - count), [], 0
        if len(batch):
            group.append(batch)
            count += len(batch)
    if group:
        yield group


def json_from_spool(spool: Path, target: Path) -> None:
    """Write a spool of JSON lines as the JSON file that it was to become.

    The first line says which: ``posetrack18``, an object of images and annotations, or ``coco``,
    a list of results, whose metadata goes to a file beside it.
    """
    header = next(iter(_lines(spool)), b"")
    described = parse_metadata(header, f"{spool}, line 1")
    kind = described.get("format")
    if kind == "posetrack18":
        write_whole(target, _posetrack18(spool, described))
    elif kind == "coco":
        results = _join_items(b"[", _items(spool, PERSON), b"]\n")
        write_together((sidecar_path(target), dump_json(described)), (target, results))
    else:
        raise ValueError(f"{spool}: line 1 names no format that is known here: {kind!r:.80}")


def _posetrack18(spool: Path, described: dict[str, Any]) -> Iterator[bytes]:
    # Every image says how many there are, which is known only now.
    count = b',"nframes":%d}' % sum(1 for _ in _items(spool, IMAGE))
    yield from _join_items(
        b'{"images":[', (image[:-1] + count for image in _items(spool, IMAGE)), b'],"annotations":['
    )
    yield from _join_items(b"", _items(spool, PERSON), b"]")
    yield b',"categories":' + dump_json(described.get("categories"))
    yield b',"info":' + dump_json(described.get("info")) + b"}\n"


def _join_items(before: bytes, items: Iterator[bytes], after: bytes) -> Iterator[bytes]:
    """Items with commas between, in pieces of about a megabyte."""
    piece, size, comma = [before], 0, b"\n"
    for item in items:
        piece += [comma, item]
        size += len(item)
        comma = b",\n"
        if size > 1_000_000:
            yield b"".join(piece)
            piece, size = [], 0
    piece.append(after)
    yield b"".join(piece)


def _items(spool: Path, kind: bytes) -> Iterator[bytes]:
    """The objects of one kind, as they stand in the lines."""
    for number, line in enumerate(_lines(spool), 1):
        if line.startswith(kind) and line.endswith(b"}"):
            yield line[len(kind) : -1]
        elif number > 1 and not line.startswith((IMAGE, PERSON)) and line != END[:-1]:
            raise ValueError(f"{spool}, line {number}: neither an image nor a person: {line!r:.60}")


def _lines(spool: Path) -> Iterator[bytes]:
    """Whole lines of whole frames; what a killed process wrote after them is left out."""
    with spool.open("rb") as stream:
        left = _end_of_frames(stream)
        while left > 0 and (line := stream.readline(min(_LONGEST_LINE, left))):
            left -= len(line)
            if not line.endswith(b"\n"):
                return
            yield line[:-1]


def _end_of_frames(stream: BinaryIO) -> int:
    """Up to where there are whole frames; the stream is back at its start."""
    end = size = stream.seek(0, 2)
    while end > 0:
        start = max(0, end - _STEP)
        stream.seek(start)
        found = stream.read(end - start).rfind(b"\n" + END)
        if found >= 0:
            size = start + found + 1 + len(END)
            break
        end = start + len(END) if start else 0  # the mark may lie across the border
    stream.seek(0)
    return size
