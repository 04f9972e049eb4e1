"""Events of functions, and what is fetched for clients: nothing of the network that runs them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import weight_server
from weight_server import Served, Server

from posetrack import Tracker
from posetrack.runs.pictures import encode_picture
from posetrack.service.events import handle, make_handler
from posetrack.service.limits import Limits, RefusedError
from posetrack.service.public_addresses import fetch_public, is_public
from posetrack.service.work import Finder
from posetrack.testing import SceneDetector, SceneEstimator, crossing

SCENE = crossing(frames=1)
PICTURE = encode_picture(next(iter(SCENE)), "png")
PACKED = base64.b64encode(PICTURE).decode()
FINDER = Finder(Tracker(SceneDetector(SCENE), SceneEstimator(SCENE)), Limits())


@pytest.fixture
def server() -> Iterator[Server]:
    with weight_server.serving() as found:
        yield found


def fetch(url: str, path: Path, *, seconds: float = 60, **settings: Any) -> None:
    """As if the loopback's first address were public."""
    fetch_public(url, path, 1000, seconds, allowed=lambda one: one == "127.0.0.1", **settings)


def refusal(url: str, path: Path, **settings: Any) -> RefusedError:
    with pytest.raises(RefusedError) as found:
        fetch(url, path, **settings)
    return found.value


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1"),
        *("ff02::1", "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe"),
        *("2002:7f00:1::", "2001:db8::1", "localhost", "", "127.1", "0x7f000001"),
    ],
)
def test_what_is_not_of_the_public_internet_is_not_fetched(address: str, tmp_path: Path) -> None:
    assert not is_public(address)
    with pytest.raises(RefusedError) as found:
        fetch_public("http://a.example/", tmp_path / "x", 9, 60, resolve=lambda *_: [address])
    assert found.value.status == 403


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111"])
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]"])
def test_no_spelling_of_the_loopback_is_fetched(host: str, server: Server, tmp_path: Path) -> None:
    server.files["/x"] = Served(b"secret")
    port = server.url.rpartition(":")[2]
    with pytest.raises(RefusedError):
        fetch_public(f"http://{host}:{port}/x", tmp_path / "x", 1000, 60)
    assert server.paths() == []


def test_a_host_with_one_private_address_among_others_is_refused(tmp_path: Path) -> None:
    both = ["127.0.0.1", "127.0.0.2"]
    assert refusal("http://a.example/", tmp_path / "x", resolve=lambda *_: both).status == 403


def test_the_address_that_was_checked_is_connected_to_whatever_the_name_means_later(
    server: Server, tmp_path: Path
) -> None:
    server.files["/x"] = Served(b"content")
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])  # asked twice it would lead elsewhere
    port = server.url.rpartition(":")[2]
    fetch(f"http://rebound.example:{port}/x", tmp_path / "x", resolve=lambda *_: next(answers))
    assert (tmp_path / "x").read_bytes() == b"content"
    assert next(answers) == ["127.0.0.2"]


def test_a_redirection_is_checked_like_any_address(server: Server, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    server.files["/inside"] = Served(redirect=f"http://127.0.0.2:{port}/x")
    server.files["/there"] = Served(redirect=f"{server.url}/x")
    server.files["/file"] = Served(redirect="file:///etc/passwd")
    server.files["/round"] = Served(redirect=f"{server.url}/round")
    server.files["/x"] = Served(b"content")
    assert refusal(f"{server.url}/inside", tmp_path / "x").status == 403
    assert refusal(f"{server.url}/file", tmp_path / "x").status == 400
    assert refusal(f"{server.url}/round", tmp_path / "x").status == 502
    fetch(f"{server.url}/there", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"content"


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/passwd", "ftp://a.example/x", "gopher://a.example", "//a.example/x", ""),
        *("http://me:secret@a.example/", "http://", "http://a.example:99999/", "http://a b/"),
        *("http://a.example/\r\nX: y", "http://a.example/" + "x" * 3000, "http://[::1/"),
    ],
)
def test_what_is_no_web_address_is_refused(url: str, tmp_path: Path) -> None:
    found = refusal(url, tmp_path / "x", resolve=lambda *_: pytest.fail("looked up"))
    assert found.status == 400
    assert "secret" not in str(found)


def test_what_is_too_large_too_slow_or_not_there_is_refused(server: Server, tmp_path: Path) -> None:
    server.files["/large"] = Served(bytes(1001))
    server.files["/endless"] = Served(bytes(1001), endless=True, no_length=True)
    server.files["/silent"] = Served(b"x", silent=True)
    assert refusal(f"{server.url}/large", tmp_path / "x").status == 413
    assert refusal(f"{server.url}/endless", tmp_path / "x").status == 413
    assert refusal(f"{server.url}/silent", tmp_path / "x", seconds=0.2).status == 504
    assert refusal(f"{server.url}/missing", tmp_path / "x").status == 502
    assert refusal("http://a.example/", tmp_path / "x", resolve=lambda *_: []).status == 502


def asked(event: dict[str, Any], **settings: Any) -> tuple[int, Any]:
    found = handle(event, FINDER, **settings)
    json.dumps(found)  # the runtime of functions does
    assert not found["isBase64Encoded"]
    return found["statusCode"], json.loads(found["body"])


@pytest.mark.parametrize(
    "event",
    [
        {"body": PACKED, "isBase64Encoded": True},
        {"rawPath": "/image", "body": PACKED, "isBase64Encoded": True, "version": "2.0"},
        {"path": "/image", "httpMethod": "POST", "body": PACKED, "isBase64Encoded": True},
    ],
)
def test_a_picture_in_an_event_is_answered(event: dict[str, Any]) -> None:
    status, found = asked(event)
    assert (status, len(found["people"])) == (200, 2)


def test_a_picture_is_drawn_for_an_event() -> None:
    query = {"out": "png"}
    event = {"body": PACKED, "isBase64Encoded": True, "queryStringParameters": query}
    found = handle(event, FINDER)
    assert found["headers"] == {"content-type": "image/png"}
    assert base64.b64decode(found["body"])[:4] == b"\x89PNG"


def test_an_address_in_an_event_is_fetched_by_the_same_rules(server: Server) -> None:
    def write(url: str, path: Path, most: int, seconds: float) -> None:
        assert url == "https://a.example/x.png"
        path.write_bytes(PICTURE)

    url = "https://a.example/x.png"
    as_body = json.dumps({"url": url})
    packed = base64.b64encode(as_body.encode()).decode()
    for event in (
        {"url": url}, {"body": as_body}, {"body": packed, "isBase64Encoded": True},
    ):  # fmt: skip
        assert asked(event, fetch=write)[0] == 200
    status, found = asked({"url": f"{server.url}/x"})
    assert (status, found) == (403, {"error": "url: this host is not on the public internet"})


@pytest.mark.parametrize(
    "event",
    [
        {}, [], None, "x", {"body": None}, {"body": 3}, {"body": ""}, {"url": 3},
        {"body": "not base64!", "isBase64Encoded": True}, {"body": "not JSON"},
        {"body": PACKED, "isBase64Encoded": True, "queryStringParameters": {"out": "exe"}},
        {"body": PACKED, "isBase64Encoded": True, "queryStringParameters": []} | {"out": 3},
    ],
)  # fmt: skip
def test_what_is_no_event_is_refused(event: Any) -> None:
    status, found = asked(event)
    assert (status, list(found)) == (400, ["error"])


def test_an_event_is_answered_within_the_time_that_the_function_has() -> None:
    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 900

    event = {"body": PACKED, "isBase64Encoded": True}
    assert make_handler(FINDER)(event, None)["statusCode"] == 200
    assert make_handler(FINDER)(event, Context())["statusCode"] == 503


def test_an_answer_that_is_larger_than_a_function_may_give_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("posetrack.service.events.MOST_ANSWER_BYTES", 100)
    assert asked({"body": PACKED, "isBase64Encoded": True})[0] == 413
