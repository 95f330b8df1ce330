"""The example programs."""

import importlib
import socket
import sys
import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest
import uvicorn

from audiostore import AudioStorageManager
from tests.assets import MP3, tone
from tests.serve.conftest import Answer, read
from tests.timing import PATIENCE_S, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
pytestmark = pytest.mark.slow


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, given)
        return read(connection.getresponse())
    finally:
        connection.close()


def form(name: str, data: bytes) -> bytes:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n--x--\r\n"


def test_the_fastapi_application_stores_and_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIO_STORE", str(tmp_path / "store"))
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "fastapi_app", raising=False)
    app = importlib.import_module("fastapi_app").app
    data = tone(title="<Concert> pitch")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            wait_until(lambda: server.started or not thread.is_alive())
            kind = "multipart/form-data; boundary=x"
            stored = ask(port, "POST", "/songs", form("a.wav", data), content_type=kind)
            refused = ask(port, "POST", "/songs", form("b.wav", b"none"), content_type=kind)
            page = ask(port, "GET", "/").body.decode()
            source = page.partition("<audio controls preload=none src=")[2].partition(">")[0]
            played = ask(port, "GET", source, range="bytes=10-19")
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
    assert (stored.status, refused.status) == (303, 422)
    assert "b.wav" in refused.json["detail"]
    assert "<h2>&lt;Concert&gt; pitch</h2>" in page
    assert page.count("<audio") == 1
    assert (played.status, played.body) == (206, data[10:20])


def test_the_django_views_store_and_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIO_STORE", str(tmp_path / "store"))
    monkeypatch.syspath_prepend(EXAMPLES)
    importlib.import_module("django_app")
    importlib.import_module("django").setup()
    uploaded_file = importlib.import_module("django.core.files.uploadedfile").SimpleUploadedFile
    client = importlib.import_module("django.test").Client()
    data = tone(title="Concert pitch")

    stored = client.post("/songs", {"file": uploaded_file("a.wav", data)})
    refused = client.post("/songs", {"file": uploaded_file("b.wav", b"none")})

    assert (stored.status_code, stored.json()["title"]) == (201, "Concert pitch")
    assert refused.status_code == 422
    played = client.get(f"/songs/{stored.json()['id']}")
    assert b"".join(played.streaming_content) == data
    assert played["Content-Type"] == "audio/wav"
    assert client.get("/songs/nonsense").status_code == 404


def test_stored_audio_is_read_with_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    example = importlib.import_module("read_with_pandas")
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        quiet = manager.upload_audio_file(tone(title="Concert pitch"), filename="a.wav").audio_id
        manager.upload_audio_file(MP3)

        table = example.table_of(manager)

    assert len(table) == 2
    assert table.loc[quiet, "title"] == "Concert pitch"
    # A sine of a quarter of full scale: 20 log10(0.25 / sqrt(2)).
    assert table.loc[quiet, "rms_dbfs"] == pytest.approx(-15.05, abs=0.05)
