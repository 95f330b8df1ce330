"""Every command on every kind of bucket does what the table says (see `kinds`)."""

import http.client
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from audiostore.cli import main
from audiostore.stores import registry
from tests.assets import BUCKET, JPG, MP3, OTHER_JPG
from tests.faults.kinds import COMMANDS, KINDS, Command, Kind
from tests.gcs_server import AS_NEW, StrictServer
from tests.timing import PATIENCE_S
from tests.unit.test_gcs_signing import keyed

POLICY = "nearline_after_days = 30\nexpire_on_custom_time = true\n"


class Bench:
    """One bucket of a kind, and the command line."""

    def __init__(
        self, kind: Kind, server: StrictServer, folder: Path, capture: pytest.CaptureFixture[str]
    ) -> None:
        self.kind = kind
        self.server = server
        self._capture = capture
        self._directory = (folder / "directory").as_uri()
        self._to = folder / "got.mp3"
        self._policy = folder / "lifecycle.toml"
        self._policy.write_text(POLICY)
        self._words = folder / "words.txt"
        self._words.write_text("words")

    def call(self, *arguments: object) -> tuple[int, str]:
        """Run a command; return its exit code and what it prints."""
        code = main([str(argument) for argument in arguments])
        out, err = self._capture.readouterr()
        return code, out + err

    def prepare(self, command: Command, audio_id: str) -> None:
        """Store, delete or hold the asset that a command is run for."""
        if command.of == "stored in the directory":
            self._put(audio_id, "--bucket", self._directory)
        elif command.of != "nothing":
            self._put(audio_id)
        if command.of == "held":
            self.call("hold", audio_id)
        if command.of == "with a transcript":
            self.call("attach", audio_id, "transcript", self._words)
        if command.of == "deleted":
            self.call("rm", audio_id, "--yes", "--permanent")  # a bucket with a trash keeps it

    def wrong(self, command: Command, audio_id: str) -> str | None:
        """Run a command; return in which way it does not do what the table says."""
        before = self._objects()
        line = command.line.format(
            id=audio_id,
            new=_other(audio_id),
            song=MP3,
            cover=JPG,
            other=OTHER_JPG,
            words=self._words,
            to=self._to,
            policy=self._policy,
            store=self._directory,
        )
        code, shown = self.call(*line.split())
        cell = self.kind.cell(command)
        if (code, True) != (cell.code, cell.says in shown):
            return f"exit code {code}, not {cell.code}; {cell.says!r} in: {shown}"
        if "bug in audiostore" in shown:
            return shown
        after = self._objects()
        if (code or not cell.changes) and after != before:
            return f"changed {before.items() ^ after.items()}; said {shown}"
        if code == 0 and cell.changes and not self._done(command, audio_id, shown):
            return f"not done: {shown}"
        return None

    def _put(self, audio_id: str, *more: str) -> None:
        self.call("put", MP3, "--thumbnail", JPG, "--id", audio_id, "--check", "none", *more)

    def _objects(self) -> dict[str, tuple[int, int]]:
        return {
            record.name: (record.generation, record.metageneration)
            for record in self.server.objects(BUCKET)
        }

    def _done(self, command: Command, audio_id: str, shown: str) -> bool:
        """Say whether a command has done what it is for."""
        audio = self.server.object(BUCKET, f"audio/{audio_id}/audio.mp3")
        cover = self.server.object(BUCKET, f"audio/{audio_id}/thumbnail.jpg")
        is_whole = audio is not None and cover is not None
        is_gone = audio is None and cover is None
        fields = audio.fields if audio else {}
        has_words = self.server.object(BUCKET, f"audio/{audio_id}/transcript.txt") is not None
        tests: dict[str, Callable[[], bool]] = {
            "attach": lambda: is_whole and has_words,
            "detach": lambda: is_whole and not has_words,
            "get": lambda: self._to.read_bytes() == MP3.read_bytes(),
            "list": lambda: audio_id in shown,
            "show": lambda: json.loads(shown)["audio"]["crc32c"] == audio.blob.crc32c,  # type: ignore[union-attr]
            "stats": lambda: "mp3" in shown,
            "export": lambda: audio_id in shown,
            "check": lambda: "no problems found" in shown,
            "check --deep": lambda: "no problems found" in shown,
            "meta": lambda: fields["metadata"]["mood"] == "calm",
            "cover": lambda: self._cover(audio_id) == OTHER_JPG.read_bytes(),
            "put --supersedes --trash-superseded": lambda: is_gone,
            "hold": lambda: bool(fields["temporaryHold"]),
            "release": lambda: not fields.get("temporaryHold"),
            "expire": lambda: fields["customTime"].startswith("2099-12-31"),
            "set-class": lambda: fields["storageClass"] == "NEARLINE",
            "copy --from": lambda: audio_id in self.call("list", "--bucket", self._directory)[1],
            "url": lambda: _fetched(shown.strip()) == MP3.read_bytes(),
            "rm -n": lambda: is_whole and "would delete" in shown,
            "rm": lambda: is_gone,
            "rm --permanent": lambda: is_gone,
            "trash list": lambda: is_gone and audio_id in shown,
            "lifecycle show": lambda: True,
            "lifecycle apply": lambda: len(self.server.bucket(BUCKET)["lifecycle"]["rule"]) > 0,
            "doctor": lambda: "failed" not in shown,
        }
        return tests.get(command.name, lambda: is_whole)()

    def _cover(self, audio_id: str) -> bytes:
        return self.server.read(BUCKET, f"audio/{audio_id}/thumbnail.jpg")


def _other(audio_id: str) -> str:
    return str(UUID(int=UUID(audio_id).int ^ 1 << 64))


def _fetched(url: str) -> bytes:
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
    line.request("GET", f"{parts.path}?{parts.query}")
    body = line.getresponse().read()
    line.close()
    return body


@pytest.mark.slow
@pytest.mark.row("kinds")
@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_every_command_does_what_the_table_says(
    kind: Kind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    count_points: Callable[[int], None],
) -> None:
    settings = {**AS_NEW, **kind.settings}
    with StrictServer(
        BUCKET, directory=tmp_path, bucket_settings=settings, **kind.server
    ) as server:
        credentials = keyed(server)

        def open_bucket(url: str, options: registry.OpenOptions) -> object:
            return registry._open_bucket(url, replace(options, credentials=credentials))

        monkeypatch.setitem(registry._OPENERS, "gs", open_bucket)
        for name, value in {
            "GCS_BUCKET_NAME": BUCKET,
            "STORAGE_EMULATOR_HOST": server.url,
            **kind.environment,
        }.items():
            monkeypatch.setenv(name, value)
        bench = Bench(kind, server, tmp_path, capsys)
        ids = {
            command: str(UUID(int=number + 1, version=4)) for number, command in enumerate(COMMANDS)
        }
        if kind.full or kind.then:
            for command in COMMANDS:
                bench.prepare(command, ids[command])
            server.configure(BUCKET, **kind.full)
        if kind.then:
            kind.then(server)
        found = {}
        for command in COMMANDS:
            if not (kind.full or kind.then):
                bench.prepare(command, ids[command])
            found[command.name] = bench.wrong(command, ids[command])
    count_points(len(COMMANDS))
    assert not {name: wrong for name, wrong in found.items() if wrong}


def test_the_table_names_no_command_that_is_not_run() -> None:
    rows = {command.name for command in COMMANDS}
    assert not {name for kind in KINDS for name in kind.cells} - rows
