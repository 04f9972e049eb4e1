"""``posetrack batch`` from the command line to files; its workers are in this process here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from posetrack import Tracker
from posetrack.cli import batch, main
from posetrack.cluster import processes
from posetrack.cluster.jobs import Done, Job, do_in_worker
from posetrack.testing import SceneDetector, SceneEstimator, crossing
from posetrack.video import VideoWriter

SCENE = crossing(frames=12)


class Here:
    """A worker in this process that dies once with the job of a name."""

    lost = (InterruptedError,)
    opened = 0
    dies_of = ""

    def __init__(self, make: Any, device: str, cores: int) -> None:
        self._make, self._device = make, device
        self._work: Any = None

    def submit(self, job: Job) -> Future[Done]:
        if self._work is None:
            type(self).opened += 1
            self._work = self._make(self._device)
        future: Future[Done] = Future()
        if job.name == type(self).dies_of:
            type(self).dies_of = ""
            future.set_exception(InterruptedError())
        else:
            future.set_result(do_in_worker(self._work, job))
        return future

    def renew(self) -> None:
        self._work = None

    def close(self) -> None:
        """Nothing."""


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three videos and a broken one; networks that read the truth."""
    folder = tmp_path / "videos"
    folder.mkdir()
    images = list(SCENE)
    for number in range(3):
        with VideoWriter(folder / f"v{number}.mp4", rate=25, preset="ultrafast") as video:
            for image in images[number : number + 8]:
                video.write(image)
    (folder / "broken.mp4").write_bytes(b"text")

    def open_tracker(arguments: Any) -> Any:
        return Tracker(SceneDetector(SCENE), SceneEstimator(SCENE)), {}

    monkeypatch.setattr(batch, "open_tracker", open_tracker)
    monkeypatch.setattr(processes, "ProcessWorker", Here)
    monkeypatch.setattr("posetrack.selftest.check_loaded", lambda device: None)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setattr(Here, "opened", 0)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def run(videos: Path, out: Path, *words: str) -> int:
    return main(["batch", str(videos), "-o", str(out), "--estimator", "bundled", *words])


def test_files_are_the_same_for_any_number_of_workers_or_after_a_death(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(videos, tmp_path / "one", "--workers", "1") == 1
    assert Here.opened == 1  # networks are loaded once a worker
    Here.dies_of = "v1"
    assert run(videos, tmp_path / "three", "--workers", "3", "--device", "cpu,auto") == 1
    shown = capsys.readouterr()
    assert "4 videos: 3 whole (0 of them before), 1 failed; 24 frames, 6 people" in shown.out
    assert "broken" in shown.out
    one, three = contents(tmp_path / "one"), contents(tmp_path / "three")
    assert sorted(one) == sorted(three)
    assert {name for name in one if name.endswith((".csv", ".mp4", ".json", ".parquet"))} >= {
        "v0.csv", "v1.mp4", "v2.json", "batch.parquet",
    }  # fmt: skip
    rows = pq.read_table(tmp_path / "one" / "batch.parquet").to_pylist()
    assert [(row["name"], row["whole"]) for row in rows] == [
        ("broken", False), ("v0", True), ("v1", True), ("v2", True),
    ]  # fmt: skip


def test_every_byte_is_the_same_on_one_worker_or_two(videos: Path, tmp_path: Path) -> None:
    run(videos, tmp_path / "one", "--workers", "1")
    run(videos, tmp_path / "two", "--workers", "2")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_what_is_finished_is_passed_over_by_its_content(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(videos, tmp_path / "out")
    before = contents(tmp_path / "out")
    capsys.readouterr()
    run(videos, tmp_path / "out", "--workers", "2")
    assert "3 whole (3 of them before), 1 failed" in capsys.readouterr().out
    assert contents(tmp_path / "out") == before
    (videos / "v0.mp4").write_bytes((videos / "v1.mp4").read_bytes())
    run(videos, tmp_path / "out")
    assert "v0: --resume goes on with the same" in capsys.readouterr().out


def test_addresses_are_tracked_and_named_in_the_tables(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    system.pipe_file("/games/hall.mp4", (videos / "v0.mp4").read_bytes())
    try:
        out = tmp_path / "out"
        words = ["batch", "memory://games/*.mp4", "-o", str(out), "--estimator", "bundled"]
        assert main(words) == 0
    finally:
        system.rm("/games", recursive=True)
    assert {"hall.csv", "hall.mp4", "batch.parquet"} <= set(contents_of(out))
    assert not list((out / ".sources").iterdir())
    rows = pq.read_table(out / "batch.parquet").to_pylist()
    assert rows[0]["source"] in ("memory://games/hall.mp4", "memory:///games/hall.mp4")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket ``games`` of an S3 server on the loopback address."""
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    pytest.importorskip("flask", reason="moto's server is not installed")
    server_room = pytest.importorskip("moto.server", reason="moto is not installed")
    import boto3
    import s3fs

    server = server_room.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "hush-hush"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="games")
    yield client
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_bucket_is_tracked_like_a_folder(
    bucket: Any, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, name in (("day/b b.mp4", "v0"), ("day/a.mp4", "v1"), ("day/cut.mp4", "broken")):
        bucket.put_object(Bucket="games", Key=key, Body=(videos / f"{name}.mp4").read_bytes())
    bucket.put_object(Bucket="games", Key="day/notes.txt", Body=b"notes")
    out = tmp_path / "out"
    words = ["batch", "s3://games/day", "s3://games/none.mp4", "-o", str(out)]
    assert main([*words, "--estimator", "bundled"]) == 1
    shown = capsys.readouterr().out
    assert "4 videos: 2 whole (0 of them before), 2 failed; 16 frames" in shown
    assert "s3://games/day/cut.mp4: expected a video" in shown
    assert "none: there is no such video" in shown
    assert (out / "a.csv").is_file()
    assert not list((out / ".sources").iterdir())
    run(videos, tmp_path / "files")
    for ours, theirs in (("a", "v1"), ("b b", "v0")):
        table = (out / f"{ours}.csv").read_bytes()
        assert table == (tmp_path / "files" / f"{theirs}.csv").read_bytes()
    assert not any(b"hush" in path.read_bytes() for path in out.iterdir() if path.is_file())
    assert main([*words, "--estimator", "bundled"]) == 1
    assert "2 whole (2 of them before)" in capsys.readouterr().out


def contents_of(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--workers", "0"], "workers must be a whole number of at least 1"),
        (["--cores", "0"], "cores must be a whole number of at least 1"),
        (["--boxes", "b.json"], "goes with one video"),
        (["--list", "nowhere.txt"], "nowhere.txt: no such file"),
    ],
)
def test_what_does_not_go_is_said_before_anything_is_loaded(
    words: list[str], line: str, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(videos, tmp_path / "out", *words) == 1
    assert line in capsys.readouterr().err
    assert Here.opened == 0
