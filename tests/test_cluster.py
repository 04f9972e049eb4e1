"""Many videos: what is named, who does what, and what happens when a process dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from posetrack.cluster.jobs import Done, Job, do_in_worker
from posetrack.cluster.processes import ProcessWorker
from posetrack.cluster.scheduling import run_jobs
from posetrack.cluster.sources import fetch_copy, find_jobs
from posetrack.cluster.summary import describe_results, write_summary
from posetrack.devices import usable_cores

JOBS = [Job(name, f"{name}.mp4") for name in "abcdef"]


class DeadError(Exception):
    """What a fake worker's future raises when it has died."""


class Fake:
    """Does jobs at once; dies with those that it is given to die of, so many times."""

    lost = (DeadError,)

    def __init__(self, deaths: dict[str, int], *, idle_deaths: int = 0) -> None:
        self.deaths, self.idle_deaths = deaths, idle_deaths
        self.done: list[str] = []
        self.renewed = 0

    def submit(self, job: Job) -> Future[Done]:
        if self.idle_deaths:
            self.idle_deaths -= 1
            raise DeadError
        future: Future[Done] = Future()
        if self.deaths.get(job.name, 0):
            self.deaths[job.name] -= 1
            future.set_exception(DeadError())
        else:
            self.done.append(job.name)
            future.set_result(Done(frames=ord(job.name)))
        return future

    def renew(self) -> None:
        self.renewed += 1

    def close(self) -> None:
        """Nothing."""


def frames(results: list[Done]) -> list[int]:
    return [done.frames for done in results]


ALL = [ord(job.name) for job in JOBS]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_results_are_in_the_jobs_order_whatever_the_number_of_workers(count: int) -> None:
    assert frames(run_jobs(JOBS, [Fake({}) for _ in range(count)])) == ALL


def test_a_job_whose_worker_died_is_begun_again_behind_the_others() -> None:
    worker = Fake({"b": 1})
    results = run_jobs(JOBS, [worker])
    assert frames(results) == ALL
    assert worker.done == list("acdefb")
    assert (worker.renewed, results[1].tries) == (1, 2)


def test_a_job_that_every_worker_dies_of_is_given_up_and_named() -> None:
    seen: list[str] = []
    deaths = {"b": 99}
    results = run_jobs(
        JOBS, [Fake(deaths), Fake(deaths)], retries=2, report=lambda job, _: seen.append(job.name)
    )
    assert results[1].failure == "the process that tracked it died (3 times)"
    assert [done.frames for done in results if not done.failure] == [ALL[0], *ALL[2:]]
    assert sorted(seen) == list("abcdef")


def test_a_worker_that_died_with_nothing_to_do_costs_no_job_a_try() -> None:
    results = run_jobs(JOBS, [Fake({}, idle_deaths=2)], retries=0)
    assert frames(results) == ALL
    assert {done.tries for done in results} == {1}


def test_what_may_pass_is_tried_again_and_what_is_broken_is_not() -> None:
    begun: list[str] = []
    errors = {"a": OSError(5, "Input/output error"), "b": ValueError("b.mp4: no video"),
              "c": FileNotFoundError("c.mp4: no such file"), "d": KeyError("d"),
              "e": MemoryError()}  # fmt: skip

    class Here(Fake):
        def submit(self, job: Job) -> Future[Done]:
            def work(job: Job) -> Done:
                begun.append(job.name)
                if job.name in errors:
                    raise errors[job.name]
                return Done(1)

            future: Future[Done] = Future()
            future.set_result(do_in_worker(work, job))
            return future

    results = run_jobs(JOBS, [Here({})], retries=1)
    assert sorted(begun) == list("aabcdeef")
    assert [done.failure for done in results] == [
        "input/output error (2 times)", "b.mp4: no video", "c.mp4: no such file",
        "KeyError: 'd'", "not enough memory (2 times)", "",
    ]  # fmt: skip


@dataclass(frozen=True)
class Counting:
    """Makes work that says which process did it; "kill" ends that once, "poison" each time."""

    folder: str

    def __call__(self, device: str) -> Counting.Work:
        return Counting.Work(Path(self.folder), device)

    class Work:
        def __init__(self, folder: Path, device: str) -> None:
            self.folder, self.device, self.jobs = folder, device, 0

        def __call__(self, job: Job) -> Done:
            self.jobs += 1
            once = self.folder / "killed"
            if job.source == "poison" or (job.source == "kill" and not once.exists()):
                once.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            if job.source == "broken":
                raise ValueError("broken: cut off")
            return Done(self.jobs, usable_cores(), problems=(self.device, str(os.getpid())))


def test_processes_load_once_survive_a_kill_and_tell_of_each_failure(tmp_path: Path) -> None:
    sources = ["a", "broken", "kill", "b", "poison", "c"]
    jobs = [Job(str(n), source) for n, source in enumerate(sources)]
    worker = ProcessWorker(Counting(str(tmp_path)), "cuda:7", 1)
    try:
        results = run_jobs(jobs, [worker], retries=1)
    finally:
        worker.close()
    assert [done.failure for done in results] == [
        "", "broken: cut off", "", "", "the process that tracked it died (2 times)", "",
    ]  # fmt: skip
    whole = [done for done in results if not done.failure]
    assert {done.problems[0] for done in whole} == {"cuda:7"}
    assert {done.people for done in whole} == {1}  # cores that its libraries use
    by_process: dict[str, list[int]] = {}
    for done in whole:
        by_process.setdefault(done.problems[1], []).append(done.frames)
    # It counts on within a process: what is loaded is kept from job to job.
    assert max(max(counts) for counts in by_process.values()) > 1


# Sources.


@pytest.fixture
def memory() -> Iterator[str]:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for name in ("games/a2.mp4", "games/a10.mp4", "games/notes.txt", "other/b.mkv"):
        system.pipe_file(f"/{name}", name.encode())
    yield "memory://"
    system.store.clear()
    system.pseudo_dirs.clear()


@pytest.mark.parametrize(
    ("word", "names"),
    [
        ("games/*.mp4", ["a2", "a10"]),
        ("games", ["a2", "a10"]),
        ("games/", ["a2", "a10"]),
        ("*/*", ["a2", "a10", "b"]),
        ("other/b.mkv", ["b"]),
    ],
)
def test_addresses_are_listed_like_folders(word: str, names: list[str], memory: str) -> None:
    jobs = find_jobs([f"{memory}{word}"])
    assert [job.name for job in jobs] == names
    assert all(job.source.startswith("memory://") for job in jobs)


def test_a_video_from_elsewhere_is_copied_under_its_results_name_and_removed(
    memory: str, tmp_path: Path
) -> None:
    (job,) = find_jobs([f"{memory}games/a2.mp4"])
    with fetch_copy(job, tmp_path / "copies") as path:
        assert Path(path) == tmp_path / "copies" / "a2.mp4"
        assert Path(path).read_bytes() == b"games/a2.mp4"
    assert list((tmp_path / "copies").iterdir()) == []
    missing = fetch_copy(Job("x", f"{memory}games/x.mp4"), tmp_path)
    with pytest.raises(FileNotFoundError, match="no such video"), missing:
        pass


def test_what_is_wrong_with_a_copy_names_its_address(memory: str, tmp_path: Path) -> None:
    (job,) = find_jobs([f"{memory}other/b.mkv"])
    with (
        pytest.raises(ValueError, match=r"^memory:/+other/b\.mkv: no video$"),
        fetch_copy(job, tmp_path / "copies") as path,
    ):
        raise ValueError(f"{path}: no video")


def test_an_address_without_videos_is_a_job_that_fails_by_its_name(memory: str) -> None:
    found = find_jobs([f"{memory}games/*.avi", f"{memory}games/a2.mp4"])
    assert [job.source for job in found][:1] == [f"{memory}games/*.avi"]
    assert len(found) == 2


def test_storage_that_does_not_answer_is_named_in_a_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fsspec = pytest.importorskip("fsspec")

    class NoAnswerError(Exception):
        """What only one library knows."""

    def refuse(*_: object, **__: object) -> bool:
        raise NoAnswerError("could not connect to 'http://me:hush@store/'\nat all")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "isdir", refuse)
    with pytest.raises(OSError, match=r"^memory://games: cannot be read: .*at all$") as raised:
        find_jobs(["memory://games"])
    assert "hush" not in str(raised.value)


def test_files_have_addresses_too(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    (tmp_path / "a.mp4").write_bytes(b"a")
    (job,) = find_jobs([f"file://{tmp_path}/*.mp4"])
    with fetch_copy(job, tmp_path / "copies") as path:
        assert Path(path).read_bytes() == b"a"


def test_a_list_names_videos_each_once_and_names_differ(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "hall.mp4").touch()
    listed = tmp_path / "list.txt"
    listed.write_text(f"# today's\n{tmp_path}/x/hall.mp4\n\n{tmp_path}/y\n{tmp_path}/x\n")
    jobs = find_jobs([], [listed])
    assert [job.name for job in jobs] == ["hall", "hall-2"]
    assert [Path(job.source).parent.name for job in jobs] == ["x", "y"]


def test_a_video_called_as_the_summary_keeps_its_table(tmp_path: Path) -> None:
    for title in ("batch", "hall", "hall-0000"):
        (tmp_path / f"{title}.mp4").touch()
    names = [job.name for job in find_jobs([str(tmp_path)], segments=True)]
    assert names == ["batch-2", "hall-0000", "hall-2"]


@pytest.mark.parametrize("word", ["rtsp://camera/1", "nosuchstore://a/b.mp4"])
def test_what_has_no_end_or_is_not_read_is_refused(word: str) -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(ValueError, match=r"live source|cannot be read"):
        find_jobs([word])


def test_nothing_to_do_is_said() -> None:
    with pytest.raises(ValueError, match="name none"):
        find_jobs([])


def test_the_summary_has_a_row_for_each_video_and_no_password(tmp_path: Path) -> None:
    jobs = [Job("a", "a.mp4"), Job("b", "ftp://me:secret@host/b.mp4")]
    results = [Done(9, 2, tries=3), Done(failure="cut off")]
    path = write_summary(tmp_path, jobs, results)
    rows = pq.read_table(path).to_pylist()
    assert [(row["name"], row["whole"], row["frames"]) for row in rows] == [
        ("a", True, 9), ("b", False, 0),
    ]  # fmt: skip
    assert "secret" not in str(rows) + str(describe_results(jobs, results))
    again = [results[0]._replace(tries=1, before=True), results[1]]
    first = path.read_bytes()
    assert write_summary(tmp_path, jobs, again).read_bytes() == first


def test_what_storage_says_of_a_failure_is_passed_on_without_a_password() -> None:
    def work(job: Job) -> Done:
        raise OSError(f"404, url='{job.source}?token=hush'")

    failure = do_in_worker(work, Job("a", "https://me:hush@store/a.mp4")).failure
    assert failure == "404, url='https://store/a.mp4?token=*'"
