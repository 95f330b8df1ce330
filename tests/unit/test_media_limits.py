"""Limits of ours are called limits: a file beyond one is not called damaged, and nothing is lost
in silence."""

import io
import os
import struct
from pathlib import Path

import pytest

from audiostore import AudioStorageManager
from audiostore.errors import InspectionLimitError, InvalidImageError, UnsupportedFormatError
from audiostore.media.faststart import needs_faststart
from audiostore.media.ffmpeg import UNEXAMINED
from audiostore.media.images import identify_image
from audiostore.media.probe import read_audio
from audiostore.media.recognition import identify, require_audio
from audiostore.media.sandbox import pool
from audiostore.media.sandbox.pool import LIMITS, SandboxPool
from audiostore.media.structure import check_structure
from audiostore.serve.problems import document
from tests.audio_samples import sample
from tests.hostile_files import flac_of_many_tags, jpeg_of_scans

VOID = b"\xec\x80"
"""An empty element of EBML (RFC 8794, 11.3.2)."""


def test_parts_that_were_not_looked_at_are_a_warning() -> None:
    data = sample("webm from a pipe") + VOID * 2_500
    found = identify(io.BytesIO(data))
    assert not isinstance(found, str)
    (warning,) = check_structure(io.BytesIO(data), found, len(data))
    assert "has too many parts to examine all of them" in warning


def test_a_duration_that_was_not_measured_is_an_estimate() -> None:
    data = bytearray(sample("m4a"))
    edit = struct.pack(">IiI", 1, 0, 1 << 16)
    added = 20_000 * edit
    end = data.rindex(b"elst") + 12 + len(edit)
    data[end:end] = added
    for kind in (b"moov", b"trak", b"edts", b"elst"):
        at = data.rindex(kind, 0, end) - 4
        struct.pack_into(">I", data, at, struct.unpack_from(">I", data, at)[0] + len(added))
    struct.pack_into(">I", data, data.rindex(b"elst") + 8, 20_001)
    info = read_audio(io.BytesIO(bytes(data)), "MP4")
    assert not info.duration_is_exact
    assert info.warnings == ("has too many parts to measure them all: its duration may be wrong",)


@pytest.mark.parametrize(
    "data",
    [
        (b"ID3\4\0\0\0\0\0\0" * 40) + sample("mp3"),
        struct.pack(">I4sI", 12, b"ftyp", 0)
        + struct.pack(">I4s", 2_000, b"free").ljust(2_000) * 300,
    ],
    ids=["tags", "boxes"],
)
def test_what_is_not_recognised_within_the_limit_is_not_called_something_else(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError) as caught:
        require_audio("a.mp3", identify(io.BytesIO(data)))
    message = "'a.mp3' was not recognised within the limit of 200 reads and 1536 KiB"
    assert str(caught.value) == f"{message}: that is not a sign of damage"


@pytest.mark.slow
def test_an_index_is_found_whatever_number_of_boxes_follows_it() -> None:
    boxes = struct.pack(">I4s", 8, b"free") * 100_001
    assert not needs_faststart(io.BytesIO(sample("m4a with moov in front") + boxes))
    assert needs_faststart(io.BytesIO(sample("m4a") + boxes))
    with pytest.raises(UnsupportedFormatError, match=r"100,000 boxes before its index: .*limit"):
        needs_faststart(io.BytesIO(boxes + sample("m4a")))


def test_images_beyond_a_limit_are_not_called_broken() -> None:
    with pytest.raises(InvalidImageError, match="has more than 100 scans: that is the limit"):
        identify_image(jpeg_of_scans(64, 101))


def test_a_large_file_may_take_more_time() -> None:
    probe, decode = LIMITS["probe"], LIMITS["decode"]
    assert (probe.cpu_s_for(5_000_000), decode.cpu_s_for(5_000_000)) == (2.0, 600.0)
    assert probe.cpu_s_for(640 << 20) == 20.0
    assert decode.cpu_s_for(1 << 30) == 2400.0


@pytest.mark.slow
def test_no_verdict_follows_from_a_limit_on_time(tmp_path: Path) -> None:
    path = flac_of_many_tags(tmp_path / "many.flac")
    with (
        SandboxPool(cpu_s=0.2) as small,
        pytest.raises(InspectionLimitError, match=r"check=.none. stores it unexamined"),
    ):
        small.probe(path, "FLAC")
    with AudioStorageManager((tmp_path / "store").as_uri()) as manager:
        stored = manager.upload_audio_file(path, check="none")
        problems = [p for p in manager.audit.check(deep=True) if p.audio_id == stored.audio_id]
    assert [problem.kind for problem in problems] == ["unreadable-object"]
    assert "that is a limit, not a sign of damage" in problems[0].message


@pytest.mark.slow
def test_a_limit_of_an_analysis_names_the_asset_and_advises_no_other_upload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = flac_of_many_tags(tmp_path / "many.flac")
    with (
        AudioStorageManager((tmp_path / "store").as_uri()) as manager,
        SandboxPool(cpu_s=0.2) as small,
    ):
        stored = manager.upload_audio_file(path, check="none")
        monkeypatch.setattr(pool, "_shared_pools", {os.getpid(): small})
        with pytest.raises(InspectionLimitError) as caught:
            manager.analyse(stored.audio_id)
    assert str(caught.value).startswith(f"cannot analyse {stored.audio_path}: FFmpeg takes more")
    assert str(caught.value).endswith("that is a limit, not a sign of damage")
    assert caught.value.audio_id == stored.audio_id


def test_a_request_is_not_advised_to_leave_out_a_check_that_it_cannot_choose() -> None:
    detail = document(InspectionLimitError(f"it is large; {UNEXAMINED}"))["detail"]
    assert detail == "it is large"
