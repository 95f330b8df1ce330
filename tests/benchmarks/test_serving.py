"""The client that loads servers, the table of what they answered, and how soon the page is seen."""

import os
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from benchmarks.serving.__main__ import (
    LISTING,
    OURS,
    RANGES,
    SEARCHING,
    requests_of,
    sentence,
    table,
)
from benchmarks.serving.load import Load, load
from benchmarks.serving.painting import Painted, painted
from benchmarks.serving.servers import BEHIND_A_PROXY, audiostore
from benchmarks.serving.stored import Track, await_index
from tests.assets import tone
from tests.browser.browsers import CHROMIUM, PACKAGES

BODY = bytes(100_000)


class Handler(BaseHTTPRequestHandler):
    """Answers with a body in two pieces; of /missing, with 404."""

    protocol_version = "HTTP/1.1"
    answered = 0

    def do_GET(self) -> None:
        self.send_response(404 if self.path == "/missing" else 206)
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:70_000])
        self.wfile.write(BODY[70_000:])
        type(self).answered += 1

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_client_counts_whole_responses(port: int) -> None:
    heads = [f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n" for number in range(3)]
    found = load(port, [os.getpid()], heads, connections=4, seconds=0.3)
    assert found.bytes_per_s == pytest.approx(len(BODY) * found.requests_per_s)
    assert found.requests_per_s > 0
    assert 0 < found.median_ms <= found.p99_ms
    assert Handler.answered >= 3


def test_the_client_fails_when_a_request_is_refused(port: int) -> None:
    with pytest.raises(RuntimeError, match="refused a request"):
        load(port, [], ["GET /missing HTTP/1.1\r\nHost: x\r\n\r\n"], connections=1, seconds=0.1)


def test_each_user_asks_alone_and_both_servers_get_the_same_ranges() -> None:
    tracks = [Track(f"id-{n}", f"audio/id-{n}/audio.mp3", 5_000_000) for n in range(3)]
    ours, theirs = requests_of(tracks, 100)
    assert set(ours) == {LISTING, SEARCHING, RANGES}
    assert set(theirs) == {LISTING, RANGES}
    for mine, other in zip(ours[RANGES], theirs[RANGES], strict=True):
        assert [line for line in mine.splitlines() if line.startswith("Range")] == [
            line for line in other.splitlines() if line.startswith("Range")
        ]
        assert mine.endswith("\r\n\r\n")
    users = [head.partition("X-User: ")[2] for head in ours[LISTING]]
    assert len(set(users)) == 1000


def test_without_nginx_its_rows_are_missing() -> None:
    runs = [Load(rate, 1e6, 0.5, 1.0, 2.0) for rate in (90.0, 110.0, 100.0)]
    shown = table({(LISTING, OURS): runs}).splitlines()
    assert len(shown) == 3
    assert "| 100 | 0.50 ms | 1.0 ms | 2.0 ms | 1 MB/s |" in shown[2]


@pytest.mark.parametrize("options", [(), BEHIND_A_PROXY], ids=["token", "proxy"])
def test_a_store_is_served_to_those_who_say_who_they_are(
    tmp_path: Path, options: Sequence[str]
) -> None:
    with AudioStorageManager(str(tmp_path / "store")) as manager:
        audio_id = manager.upload_audio_file(tone(), filename="a.wav").audio_id
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with audiostore(tmp_path / "store", tmp_path / "log", environ, options) as service:
        assert audio_id.encode() in await_index(service, 1)


def test_the_page_is_painted_and_gets_its_list(tmp_path: Path) -> None:
    if CHROMIUM.find() is None and os.environ.get("CI") != "true":
        pytest.skip(f"{CHROMIUM.name} not found: apt-get install {PACKAGES}")
    environ = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    with audiostore(tmp_path / "store", tmp_path / "log", environ) as service:
        shown = painted(service, times=2)
    assert shown is not None
    assert shown.browser.startswith("Chromium ")
    assert shown.paint_ms > 0
    assert shown.list_ms > 0
    visits = [
        line for line in (tmp_path / "log").read_text().splitlines() if '"/v1/assets"' in line
    ]
    assert len(visits) >= 2


def test_without_chromium_the_page_is_not_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown = sentence(Painted("Chromium 1", 84.4, 120.0))
    assert "paint after 84 ms (the bar: 100 ms), the list has arrived after 120 ms" in shown
    monkeypatch.setenv("PATH", str(tmp_path))
    with audiostore(tmp_path / "store", tmp_path / "log", dict(os.environ)) as service:
        assert painted(service, times=1) is None
    assert "apt-get install chromium" in sentence(None)
