from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from processes import PATIENCE
from weight_server import Served, refused_port, serving

from posetrack.weights import cache_folder, fetch, find_cached, verify, weights_folder
from posetrack.weights.catalogue import CatalogueEntry, RemoteFile

CONTENT = bytes(range(256)) * 4000
HTML = b"<!DOCTYPE html><html><title>Please log in</title></html>"


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def card(
    *urls: str, content: bytes = CONTENT, digits: int = 8, kind: str = "pose"
) -> CatalogueEntry:
    sha256 = hash_of(content)[:digits]
    files = tuple(RemoteFile(url, sha256, "mmpose1") for url in urls)
    return CatalogueEntry("test_model", kind, "pose_resnet", files, size=len(content))


@pytest.fixture
def server():
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("POSETRACK_OFFLINE", raising=False)


def get(model, **settings):
    return fetch(model, **{"timeout": PATIENCE, "wait": 0.01, **settings})


def leftovers(folder: Path) -> list[str]:
    return sorted(
        path.name for path in folder.iterdir() if not path.name.endswith((".lock", ".verified"))
    )


class TestFolder:
    def test_is_the_one_in_the_environment(self, tmp_path):
        assert cache_folder() == tmp_path / "home"
        assert weights_folder() == tmp_path / "home" / "weights"

    def test_a_tilde_is_the_users_home(self, monkeypatch, tmp_path):
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("POSETRACK_HOME", "~/nets")
        assert cache_folder() == tmp_path / "nets"

    def test_else_the_platforms_cache(self, monkeypatch):
        platformdirs = pytest.importorskip("platformdirs")
        monkeypatch.delenv("POSETRACK_HOME")
        expected = platformdirs.user_cache_dir("posetrack", appauthor=False)
        assert cache_folder() == Path(expected)

    def test_asking_for_it_does_not_make_it(self, tmp_path):
        cache_folder()
        assert find_cached("raft_small") is None
        assert not (tmp_path / "home").exists()

    def test_that_cannot_be_made_is_an_error_that_names_the_way_out(self, tmp_path, server):
        in_the_way = tmp_path / "file"
        in_the_way.write_text("")
        with pytest.raises(OSError, match="POSETRACK_HOME") as caught:
            get(card(f"{server.url}/a.pth"), folder=in_the_way / "weights")
        assert str(in_the_way) in str(caught.value)
        assert server.asked == []

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
    )
    def test_that_may_not_be_written_to_is_an_error(self, tmp_path, server):
        tmp_path.chmod(0o500)
        with pytest.raises(PermissionError, match="POSETRACK_HOME"):
            get(card(f"{server.url}/a.pth"))


class TestFetch:
    def test_brings_the_file_under_the_urls_name(self, server):
        server.files["/deep/a-1.pth"] = Served(CONTENT)
        path = get(card(f"{server.url}/deep/a-1.pth"))
        assert path == weights_folder() / "a-1.pth"
        assert path.read_bytes() == CONTENT
        assert leftovers(path.parent) == ["a-1.pth"]

    def test_a_second_time_asks_nobody(self, server):
        server.files["/a.pth"] = Served(CONTENT)
        model = card(f"{server.url}/a.pth")
        assert get(model) == get(model) == find_cached(model)
        assert server.paths() == ["/a.pth"]

    def test_takes_a_full_hash_as_well_as_its_beginning(self, server):
        server.files["/a.pth"] = Served(CONTENT)
        assert get(card(f"{server.url}/a.pth", digits=64)).read_bytes() == CONTENT

    def test_reports_progress_that_rises_to_the_size(self, server):
        server.files["/a.pth"] = Served(CONTENT)
        seen = []
        get(card(f"{server.url}/a.pth"), progress=lambda *numbers: seen.append(numbers))
        done = [now for now, _ in seen]
        assert done == sorted(done)
        assert (done[0], seen[-1]) == (0, (len(CONTENT), len(CONTENT)))

    def test_goes_to_another_folder_if_told(self, server, tmp_path):
        server.files["/a.pth"] = Served(CONTENT)
        path = get(card(f"{server.url}/a.pth"), folder=tmp_path / "other")
        assert path == tmp_path / "other" / "a.pth"

    def test_follows_a_redirect_and_keeps_the_first_name(self, server):
        server.files["/a.pth"] = Served(redirect=f"{server.url}/store/xyz")
        server.files["/store/xyz"] = Served(CONTENT)
        assert get(card(f"{server.url}/a.pth")).name == "a.pth"

    def test_an_unknown_name_is_refused_with_close_ones(self):
        with pytest.raises(ValueError, match="'raft_small'"):
            fetch("raft_smll")

    def test_a_file_without_announced_length_is_fine(self, server):
        server.files["/a.pth"] = Served(CONTENT, no_length=True)
        assert get(card(f"{server.url}/a.pth")).read_bytes() == CONTENT


class TestResume:
    def test_asks_for_the_rest_only_after_a_broken_connection(self, server):
        server.files["/a.pth"] = Served(CONTENT, break_after=600_000, etag='"v1"')
        assert get(card(f"{server.url}/a.pth")).read_bytes() == CONTENT
        assert server.asked == [("/a.pth", None), ("/a.pth", "bytes=600000-")]
        assert server.sent == [600_000, len(CONTENT) - 600_000]

    def test_goes_on_in_a_later_call(self, server):
        server.files["/a.pth"] = Served(CONTENT, break_after=200_000, breaks=99)
        model = card(f"{server.url}/a.pth")
        with pytest.raises(ConnectionError, match="connection ended after 1,000,000 of 1,024,000"):
            get(model)
        before = len(server.asked)
        server.files["/a.pth"].breaks = 0
        assert get(model).read_bytes() == CONTENT
        assert server.asked[before:] == [("/a.pth", "bytes=1000000-")]

    def test_starts_over_where_the_server_knows_no_ranges(self, server):
        server.files["/a.pth"] = Served(CONTENT, ranges=False, break_after=600_000)
        assert get(card(f"{server.url}/a.pth")).read_bytes() == CONTENT
        assert server.sent == [600_000, len(CONTENT)]

    def test_starts_over_where_the_file_has_changed_meanwhile(self, server):
        other = CONTENT[::-1]
        server.files["/a.pth"] = Served(other, break_after=100_000, breaks=99, etag='"v1"')
        model = card(f"{server.url}/a.pth")
        with pytest.raises(ConnectionError, match="500,000 of"):
            get(model)
        server.files["/a.pth"] = Served(CONTENT, etag='"v2"')
        assert get(model).read_bytes() == CONTENT
        assert (server.asked[-1], server.sent[-1]) == (("/a.pth", "bytes=500000-"), len(CONTENT))

    def test_starts_over_once_if_the_joined_file_is_wrong(self, server):
        model = card(f"{server.url}/a.pth")
        weights_folder().mkdir(parents=True)
        (weights_folder() / "a.pth.part").write_bytes(b"rubbish")
        server.files["/a.pth"] = Served(CONTENT)
        assert get(model).read_bytes() == CONTENT
        assert server.asked == [("/a.pth", "bytes=7-"), ("/a.pth", None)]

    def test_a_partial_file_that_is_whole_is_taken_as_it_is(self, server):
        model = card(f"{server.url}/a.pth")
        weights_folder().mkdir(parents=True)
        (weights_folder() / "a.pth.part").write_bytes(CONTENT)
        server.files["/a.pth"] = Served(CONTENT)
        assert get(model).read_bytes() == CONTENT
        assert server.sent == [0]

    def test_a_partial_file_that_is_too_long_is_thrown_away(self, server):
        model = card(f"{server.url}/a.pth")
        weights_folder().mkdir(parents=True)
        (weights_folder() / "a.pth.part").write_bytes(CONTENT + b"more")
        server.files["/a.pth"] = Served(CONTENT)
        assert get(model).read_bytes() == CONTENT

    @pytest.mark.parametrize("claim", ["bytes 0-1023999/1024000", "bytes 1000-", "lines 1-2/3"])
    def test_an_answer_for_another_range_is_not_believed(self, server, claim):
        weights_folder().mkdir(parents=True)
        (weights_folder() / "a.pth.part").write_bytes(CONTENT[:1000])
        server.files["/a.pth"] = Served(CONTENT, claim=claim)
        with pytest.raises(ConnectionError, match="asked for bytes from 1,000 on"):
            get(card(f"{server.url}/a.pth"))
        assert leftovers(weights_folder()) == []


BAD = {
    "not found": (Served(status=404), "HTTP status 404"),
    "out of order": (Served(status=503), "HTTP status 503"),
    "wrong hash": (Served(CONTENT[::-1]), "SHA-256 begins"),
    "page as text/html": (Served(HTML, content_type="text/html; charset=utf-8"), "web page"),
    "page as a file": (Served(HTML), "web page"),
    "empty": (Served(b""), "it is empty"),
    "breaking off": (Served(CONTENT, break_after=10, breaks=99), "ended after 50 of 1,024,000"),
    "cut short, length not said": (Served(CONTENT[:-1], no_length=True), "SHA-256 begins"),
    "endless": (Served(endless=True), "sent more than"),
    "too long by its own account": (
        Served(CONTENT, announce=10**12),
        "announces 1,000,000,000,000",
    ),
    "redirected to itself": (Served(redirect="/bad.pth"), "infinite loop"),
    "redirected to a file": (Served(redirect="file:///etc/passwd"), "only https|not allowed"),
    "redirected to plain http": (Served(redirect="http://example.invalid/a"), "only https"),
}


@pytest.mark.parametrize("name", BAD)
class TestABadServer:
    def test_is_reported_with_its_url_and_the_ways_out(self, server, name):
        file, reason = BAD[name]
        server.files["/bad.pth"] = Served(**vars(file))
        with pytest.raises(ConnectionError, match=reason) as caught:
            get(card(f"{server.url}/bad.pth"))
        message = str(caught.value)
        assert f"{server.url}/bad.pth" in message
        assert "posetrack models download test_model" in message
        assert str(weights_folder()) in message
        assert not (weights_folder() / "bad.pth").exists()

    def test_is_passed_over_for_the_next_url(self, server, name):
        server.files["/bad.pth"] = Served(**vars(BAD[name][0]))
        server.files["/good.pth"] = Served(CONTENT)
        model = card(f"{server.url}/bad.pth", f"{server.url}/good.pth")
        assert get(model).name == "good.pth"


def test_a_silent_server_is_given_up_after_the_timeout(server):
    server.files["/a.pth"] = Served(silent=True)
    with pytest.raises(ConnectionError, match=r"no answer within 0\.2 seconds"):
        get(card(f"{server.url}/a.pth"), timeout=0.2)


def test_a_host_that_does_not_answer_is_asked_once(server):
    for name in ("a", "b"):
        server.files[f"/{name}.pth"] = Served(silent=True)
    with pytest.raises(ConnectionError, match=r"a\.pth: no answer[\s\S]*b\.pth: no answer"):
        get(card(f"{server.url}/a.pth", f"{server.url}/b.pth"), timeout=0.2)
    assert server.paths() == ["/a.pth"]


def test_the_search_of_a_name_counts_as_waiting(server, monkeypatch):
    """A system that looks a host's name up does not end by itself after a socket's time."""
    done = threading.Event()

    def look_up(*_, **__):
        done.wait(20)
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", look_up)
    with pytest.raises(ConnectionError, match=r"no answer within 0\.2 seconds"):
        get(card(f"{server.url}/a.pth"), timeout=0.2)
    done.set()


def test_a_machine_that_does_not_answer_is_passed_over(server):
    server.files["/a.pth"] = Served(CONTENT)
    with refused_port() as port:
        model = card(f"http://127.0.0.1:{port}/a.pth", f"{server.url}/a.pth")
        assert get(model).read_bytes() == CONTENT


def test_all_urls_are_named_when_all_fail(server):
    model = card(f"{server.url}/one.pth", f"{server.url}/two.pth", kind="detector")
    with pytest.raises(ConnectionError, match=r"one\.pth: HTTP[\s\S]*two\.pth: HTTP") as caught:
        get(model)
    assert "HOG" in str(caught.value)


def test_a_partial_file_over_the_limit_does_not_stay(server):
    server.files["/a.pth"] = Served(endless=True)
    with pytest.raises(ConnectionError):
        get(card(f"{server.url}/a.pth"))
    assert leftovers(weights_folder()) == []


def test_no_space_on_the_disk_is_said_before_anything_is_written(server, monkeypatch):
    server.files["/a.pth"] = Served(CONTENT)
    full = type("Usage", (), {"free": 10})()
    monkeypatch.setattr("posetrack.weights.download.shutil.disk_usage", lambda _: full)
    with pytest.raises(OSError, match="1,024,000 more bytes are needed, 10 are free"):
        get(card(f"{server.url}/a.pth"))


class TestOffline:
    def test_finds_what_is_there(self, server):
        server.files["/a.pth"] = Served(CONTENT)
        model = card(f"{server.url}/a.pth")
        path = get(model)
        assert get(model, offline=True) == path

    def test_asks_nobody_for_what_is_not(self, server):
        server.files["/a.pth"] = Served(CONTENT)
        with pytest.raises(FileNotFoundError, match="downloads are switched off") as caught:
            get(card(f"{server.url}/a.pth"), offline=True)
        assert str(weights_folder()) in str(caught.value)
        assert server.asked == []

    @pytest.mark.parametrize("value", ["1", "true", "yes"])
    def test_can_be_said_in_the_environment(self, server, monkeypatch, value):
        monkeypatch.setenv("POSETRACK_OFFLINE", value)
        with pytest.raises(FileNotFoundError):
            get(card(f"{server.url}/a.pth"))
        assert server.asked == []

    @pytest.mark.parametrize("value", ["", "0", "False"])
    def test_can_be_denied_in_the_environment(self, server, monkeypatch, value):
        monkeypatch.setenv("POSETRACK_OFFLINE", value)
        server.files["/a.pth"] = Served(CONTENT)
        assert get(card(f"{server.url}/a.pth")).exists()

    def test_a_file_copied_into_the_folder_by_hand_is_taken(self, server):
        weights_folder().mkdir(parents=True)
        copied = weights_folder() / "b.pth"
        copied.write_bytes(CONTENT)
        model = card(f"{server.url}/a.pth", f"{server.url}/b.pth")
        assert get(model, offline=True) == find_cached(model) == copied

    def test_a_damaged_file_is_not_used_and_said_to_be_damaged(self, server):
        weights_folder().mkdir(parents=True)
        (weights_folder() / "a.pth").write_bytes(CONTENT[:-1])
        model = card(f"{server.url}/a.pth")
        assert find_cached(model) is None
        with pytest.raises(FileNotFoundError, match=r"a\.pth: damaged"):
            get(model, offline=True)


class TestCache:
    def test_a_file_that_has_changed_is_noticed_and_fetched_again(self, server):
        server.files["/a.pth"] = Served(CONTENT)
        model = card(f"{server.url}/a.pth")
        path = get(model)
        path.write_bytes(b"x" * len(CONTENT))
        assert find_cached(model) is None
        with pytest.warns(UserWarning, match="changed since it was brought here"):
            assert get(model).read_bytes() == CONTENT

    def test_a_damaged_file_stays_until_a_good_one_is_there(self, server):
        weights_folder().mkdir(parents=True)
        damaged = weights_folder() / "a.pth"
        damaged.write_bytes(b"damaged")
        with pytest.raises(ConnectionError, match="damaged"):
            get(card(f"{server.url}/a.pth"))
        assert damaged.read_bytes() == b"damaged"

    def test_a_file_is_hashed_once_only(self, server, monkeypatch):
        server.files["/a.pth"] = Served(CONTENT)
        model = card(f"{server.url}/a.pth")
        path = get(model)
        monkeypatch.setattr(
            "posetrack.weights.cache.sha256_of", lambda _: pytest.fail("hashed again")
        )
        assert find_cached(model) == path

    @pytest.mark.parametrize("note", ["", "nonsense", "a b c", "ff 1 2"])
    def test_a_note_that_makes_no_sense_is_not_believed(self, server, note):
        server.files["/a.pth"] = Served(CONTENT)
        model = card(f"{server.url}/a.pth")
        path = get(model)
        (path.parent / "a.pth.verified").write_text(note)
        assert find_cached(model) == path
        path.write_bytes(CONTENT[1:])
        assert find_cached(model) is None

    def test_a_folder_in_the_files_place_is_not_a_file(self, server):
        (weights_folder() / "a.pth").mkdir(parents=True)
        assert find_cached(card(f"{server.url}/a.pth")) is None

    def test_the_whole_hash_of_the_first_download_counts_from_then_on(self, server, monkeypatch):
        def digest(path: Path) -> str:  # as if both files were made to begin with the same digits
            return "12345678" + hash_of(path.read_bytes())[8:]

        monkeypatch.setattr("posetrack.weights.cache.sha256_of", digest)
        monkeypatch.setattr("posetrack.weights.fetching.sha256_of", digest)
        file = RemoteFile(f"{server.url}/a.pth", "12345678", "mmpose1")
        model = CatalogueEntry("test_model", "pose", "pose_resnet", (file,), size=len(CONTENT))
        server.files["/a.pth"] = Served(CONTENT)
        path = get(model)
        path.write_bytes(CONTENT[::-1])
        for _ in range(2):
            assert find_cached(model) is None
        server.files["/a.pth"] = Served(CONTENT[::-1])
        with (
            pytest.warns(UserWarning, match=r"a\.pth: changed since it was brought here"),
            pytest.raises(ConnectionError, match="not the file that came first"),
        ):
            get(model)
        server.files["/a.pth"] = Served(CONTENT)
        with pytest.warns(UserWarning, match="changed since"):
            assert get(model).read_bytes() == CONTENT


class TestVerify:
    def test_says_which_file_it_is(self, tmp_path):
        first = RemoteFile("https://example.org/a.pth", hash_of(b"first")[:8], "mmpose1")
        second = RemoteFile("https://example.org/b.pth", hash_of(b"second"), "mmpose0")
        model = CatalogueEntry("two", "pose", "pose_resnet", (first, second), 6)
        path = tmp_path / "any_name"
        path.write_bytes(b"second")
        assert verify(path, model) is second

    def test_refuses_another_file_with_both_hashes(self, tmp_path):
        path = tmp_path / "page.pth"
        path.write_bytes(HTML)
        with pytest.raises(ValueError, match="web page") as caught:
            verify(path, card("https://example.org/a.pth"))
        assert hash_of(HTML) in str(caught.value)
        assert hash_of(CONTENT)[:8] in str(caught.value)


def _fetch_in_a_process(url: str, folder: str, answers) -> None:
    try:
        answers.put(str(fetch(card(url), folder=folder, timeout=PATIENCE, wait=0.01)))
    except Exception as error:
        answers.put(repr(error))


def test_two_processes_that_want_the_same_file_download_it_once(server, tmp_path):
    # Slow enough that both are there: the first connection breaks, and is taken up after a wait.
    server.files["/a.pth"] = Served(CONTENT, break_after=400_000, breaks=2)
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()
    arguments = (f"{server.url}/a.pth", str(tmp_path), answers)
    processes = [spawn.Process(target=_fetch_in_a_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    paths = [answers.get(timeout=PATIENCE) for _ in processes]
    for process in processes:
        process.join(PATIENCE)
    assert paths == [str(tmp_path / "a.pth")] * 2
    assert (tmp_path / "a.pth").read_bytes() == CONTENT
    assert sum(server.sent) == len(CONTENT)


def test_threads_wait_for_each_other_too(server, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    server.files["/a.pth"] = Served(CONTENT)
    model = card(f"{server.url}/a.pth")
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: get(model), range(4)))
    assert len(set(paths)) == 1
    assert server.sent == [len(CONTENT)]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
@pytest.mark.parametrize("ending", ["part", "part.from", "lock"])
def test_a_planted_link_is_not_followed(server, tmp_path, ending):
    server.files["/a.pth"] = Served(CONTENT, etag='"v1"')
    weights_folder().mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (weights_folder() / f"a.pth.{ending}").symlink_to(victim)
    try:
        assert get(card(f"{server.url}/a.pth")).read_bytes() == CONTENT
    except OSError:
        assert ending == "lock"
    assert victim.read_bytes() == b"mine"


def test_a_partial_file_with_a_second_name_is_not_written_into(server, tmp_path):
    server.files["/a.pth"] = Served(CONTENT)
    weights_folder().mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_bytes(CONTENT[:1000])
    os.link(victim, weights_folder() / "a.pth.part")
    assert get(card(f"{server.url}/a.pth")).read_bytes() == CONTENT
    assert victim.read_bytes() == CONTENT[:1000]
    assert server.asked == [("/a.pth", None)]


def test_a_lock_left_by_a_process_that_died_holds_nobody_up(server):
    server.files["/a.pth"] = Served(CONTENT)
    weights_folder().mkdir(parents=True)
    (weights_folder() / "a.pth.lock").write_text("12345")
    assert get(card(f"{server.url}/a.pth")).exists()


def test_without_locks_the_file_still_comes_and_nothing_is_left(server, monkeypatch):
    monkeypatch.setattr("posetrack.weights.fetching.lock_file", lambda _, wait: False)
    server.files["/a.pth"] = Served(CONTENT, break_after=600_000)
    path = get(card(f"{server.url}/a.pth"))
    assert path.read_bytes() == CONTENT
    assert leftovers(path.parent) == ["a.pth"]


def test_proxies_are_not_asked_for_this_machine(server, monkeypatch):
    server.files["/a.pth"] = Served(CONTENT)
    with refused_port() as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        assert get(card(f"{server.url}/a.pth")).exists()


def test_waiting_between_attempts_is_as_long_as_told(server, monkeypatch):
    waits = []
    monkeypatch.setattr("posetrack.weights.download.time.sleep", waits.append)
    server.files["/a.pth"] = Served(CONTENT, break_after=300_000, breaks=3)
    get(card(f"{server.url}/a.pth"), wait=1.0)
    assert waits == [1, 2, 4]
