"""Facts of a run as rows of text: the video, its frames, settings, versions, networks."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from posetrack.files import errors_naming, printable, read_text
from posetrack.weights.catalogue import entry_of_file, look_up_entry

if TYPE_CHECKING:
    from posetrack.trajectories import Trajectories

Facts = list[tuple[str, str]]
_MOST_LEDGER: Final = 256_000_000
_MOST_LISTED: Final = 20


@dataclass(frozen=True)
class Ledger:
    """What became of the frames of a video.

    Parameters
    ----------
    counts
        Frames by what became of them: decoded, corrupt, skipped.
    lost
        Index, seconds and fate of the first that were not decoded.
    start, end
        Seconds of the first and the last.
    """

    counts: Mapping[str, int]
    lost: tuple[tuple[int, float, str], ...]
    start: float
    end: float


def read_ledger(path: Path) -> Ledger:
    """Read ``NAME.frames.csv``.

    Raises
    ------
    ValueError
        If it is no such table; the message names the file and the line.
    """
    counts: Counter[str] = Counter()
    lost: list[tuple[int, float, str]] = []
    times: list[float] = []
    with errors_naming(path):
        rows = _rows_of(read_text(path, _MOST_LEDGER))
        if next(rows, None) != ["frame", "seconds", "status"]:
            raise ValueError("expected a table that begins frame,seconds,status")
        for number, row in enumerate(rows, 2):
            try:
                frame, seconds, status = int(row[0]), float(row[1]), row[2][:40]
            except (ValueError, IndexError):
                raise ValueError(f"line {number}: expected frame,seconds,status") from None
            counts[status] += 1
            times = [times[0] if times else seconds, seconds]
            if status not in ("decoded", "skipped") and len(lost) < _MOST_LISTED:
                lost.append((frame, seconds, status))
    start, end = (times[0], times[-1]) if times else (float("nan"), float("nan"))
    return Ledger(dict(counts), tuple(lost), start, end)


def _rows_of(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(text.splitlines())
    except csv.Error as error:
        raise ValueError(f"not a table: {error}") from error


def video_facts(trajectories: Trajectories, ledger: Ledger | None) -> Facts:
    """The video in words: source, size, rate, times, frames and what became of them."""
    metadata = trajectories.metadata
    source = _mapping(_provenance(trajectories).get("source"))
    # It lies in a file that may come from anybody.
    facts = [(name, printable(str(value))) for name, value in source.items() if name != "bytes"]
    if type(size := source.get("bytes")) is int and 0 <= size < 1 << 63:
        facts.append(("file size", f"{size / 1e6:.2f} MB"))
    if metadata.get("image_size") is not None:
        width, height = metadata["image_size"]
        facts.append(("pictures", f"{width} x {height} pixels"))
    if metadata.get("rate") is not None:
        facts.append(("rate", f"{metadata['rate']:g} frames a second"))
    if len(trajectories):
        first, last = trajectories.seconds[0], trajectories.seconds[-1]
        facts.append(("tracked", f"{len(trajectories)} frames, {first:.2f} s to {last:.2f} s"))
    if ledger is None:
        facts.append(("frames of the file", "not listed; track with --format frames to list them"))
    else:
        listed = ", ".join(f"{count} {name}" for name, count in ledger.counts.items())
        facts.append(
            ("frames of the file", f"{listed}; {ledger.start:.2f} s to {ledger.end:.2f} s")
        )
    facts.append(("skeleton", f"{trajectories.skeleton.name}, {len(trajectories.skeleton)} points"))
    return facts


def run_facts(trajectories: Trajectories) -> Facts:
    """When, with which versions and on what."""
    provenance = _provenance(trajectories)
    facts = [
        (name, str(provenance[name]))
        for name in ("posetrack", "created", "python", "platform")
        if name in provenance
    ]
    facts += [(str(name), str(one)) for name, one in _mapping(provenance.get("libraries")).items()]
    facts += [("edit", str(line)) for line in _list(provenance.get("edited"))]
    return facts


def settings_of(trajectories: Trajectories) -> Facts:
    """The settings of the run, those that were left at nothing left out; and those of cleaning."""
    provenance = _provenance(trajectories)
    runs = [("", provenance.get("settings"))]
    runs += [("clean: ", _mapping(step).get("settings")) for step in
             _list(provenance.get("cleaned"))]  # fmt: skip
    return [
        (f"{title}{name}", str(value))
        for title, settings in runs
        for name, value in _mapping(settings).items()
        if value is not None and value != []
    ]


@dataclass(frozen=True)
class NetworkFacts:
    """A network that was run.

    Parameters
    ----------
    use
        Such as ``detector``.
    name
        The file, or a name on a hub.
    licence, training_data
        As its publisher gives them; empty where this is not known.
    note
        Its hash, or why it took another's place.
    """

    use: str
    name: str
    licence: str
    training_data: str
    note: str


def networks_of(trajectories: Trajectories) -> list[NetworkFacts]:
    """The networks of a run, with the licences of those in the catalogue."""
    found = []
    for use, described in _mapping(_provenance(trajectories).get("weights")).items():
        weights = _mapping(described)
        name = str(weights.get("file", weights.get("name", "")))
        entry = look_up_entry(str(weights.get("name", ""))) or entry_of_file(name)
        notes = [f"SHA-256 {str(weights['sha256'])[:16]}..."] if "sha256" in weights else []
        notes += [f"revision {weights['revision']}"] if weights.get("revision") else []
        notes += (
            [f"in place of {weights['in_place_of']}: {weights.get('because', '')}"]
            if "in_place_of" in weights
            else []
        )
        found.append(
            NetworkFacts(
                str(use),
                name if entry is None else f"{entry.name} ({name})",
                "" if entry is None else entry.licence,
                "" if entry is None else entry.training_data,
                "; ".join(notes),
            )
        )
    return found


def _provenance(trajectories: Trajectories) -> Mapping[str, Any]:
    return _mapping(trajectories.metadata.get("provenance"))


def _mapping(value: object) -> Mapping[str, Any]:
    """What a file holds where a mapping belongs; nothing where it holds something else."""
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
