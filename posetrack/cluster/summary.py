"""What became of all videos: a table in a file, and one for people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from posetrack.cluster.jobs import Done, Job
from posetrack.files import printable, without_credentials
from posetrack.runs.outputs import SUMMARY


def write_summary(folder: Path, jobs: Sequence[Job], results: Sequence[Done]) -> Path:
    """Write a row for each video: name, source, whether it is whole, frames, people, failure.

    Nothing in it depends on where, when or how often a video was tracked.

    Examples
    --------
    >>> import tempfile, pyarrow.parquet
    >>> path = write_summary(Path(tempfile.mkdtemp()), [Job("a", "a.mp4")], [Done(9, 2)])
    >>> pyarrow.parquet.read_table(path).to_pylist()
    [{'name': 'a', 'source': 'a.mp4', 'whole': True, 'frames': 9, 'people': 2, 'failure': ''}]
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from posetrack.files import write_whole

    table = pa.table(
        {
            "name": pa.array([job.name for job in jobs], pa.string()),
            "source": pa.array([without_credentials(job.source) for job in jobs], pa.string()),
            "whole": pa.array([not done.failure for done in results], pa.bool_()),
            "frames": pa.array([done.frames for done in results], pa.int64()),
            "people": pa.array([done.people for done in results], pa.int64()),
            "failure": pa.array([printable(done.failure) for done in results], pa.string()),
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / SUMMARY, sink.getvalue().to_pybytes())
    return folder / SUMMARY


def describe_results(jobs: Sequence[Job], results: Sequence[Done]) -> list[str]:
    """Lines for people: how many there were, and a table of those that are not whole.

    Examples
    --------
    >>> jobs = [Job("a", "a.mp4"), Job("hall", "games/hall.mp4")]
    >>> for line in describe_results(jobs, [Done(9, 2), Done(failure="cut off")]):
    ...     print(line)
    2 videos: 1 whole (0 of them before), 1 failed; 9 frames, 2 people
    failed  source          why
    hall    games/hall.mp4  cut off
    """
    failed = [(job, done) for job, done in zip(jobs, results, strict=True) if done.failure]
    before = sum(done.before for done in results)
    frames, people = (sum(getattr(done, name) for done in results) for name in ("frames", "people"))
    lines = [
        f"{len(jobs)} videos: {len(jobs) - len(failed)} whole ({before} of them before), "
        f"{len(failed)} failed; {frames} frames, {people} people"
    ]
    rows = [(job.name, without_credentials(job.source), done.failure) for job, done in failed]
    if rows:
        rows = [("failed", "source", "why"), *rows]
        widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
        lines += [f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows]
    return lines
