"""Derived and attached parts, to be stored, replaced and removed with a fault at each step."""

from collections.abc import Mapping

from audiostore import AssetNotFoundError, AudioStorageManager, BlobNotFoundError, StorageResult
from audiostore.asset import PREVIEW, WAVEFORM, MarkedFile, Part, open_blob, require_asset
from audiostore.ingest import UploadOptions, prepare_audio, prepare_image
from audiostore.sources import BytesSource
from tests.assets import JPG, repeated_mp3
from tests.faults.managing import (
    EXPIRY,
    GONE,
    ONE,
    SONG,
    Stage,
    Work,
    _copy,
    whole,
)
from tests.faults.reader import of
from tests.faults.rig import ID

OTHER_SONG = repeated_mp3(2)


def attach(manager: AudioStorageManager, extension: str = ".vtt") -> None:
    """Attach a transcript of the audio that is there."""
    asset = manager.get(ID)
    data = b"WEBVTT\n\nNOTE " + of(_bytes_of(manager, asset)) + b"\n"
    manager.attach(asset, "transcript", data, filename=f"words{extension}")


def derive(manager: AudioStorageManager, version: int = 1, part: Part = WAVEFORM) -> None:
    """Store a waveform, or a preview, of the audio that is there."""
    asset = manager.get(ID)
    file = MarkedFile(
        part,
        BytesSource(of(_bytes_of(manager, asset)) + bytes(version)),
        part.extensions[0],
        maker=f"{part.name}/{version}",
    )
    manager._marked.store(ID, file, of=asset.audio)


def _bytes_of(manager: AudioStorageManager, asset: StorageResult) -> bytes:
    assert asset.audio is not None
    try:
        with open_blob(manager.store, asset.audio) as stream:
            return stream.read()
    except BlobNotFoundError as error:
        raise AssetNotFoundError(f"{asset.audio_id} was deleted") from error


def upload_with_parts(manager: AudioStorageManager) -> None:
    """Upload audio together with what was derived from it."""
    files = [
        MarkedFile(part, BytesSource(of(SONG)), part.extensions[0], maker=f"{part.name}/1")
        for part in (WAVEFORM, PREVIEW)
    ]
    options = UploadOptions(check="none", artwork="none")
    song = JPG.with_suffix(".mp3")
    with prepare_audio(song, options) as audio, prepare_image(JPG, options) as cover:
        commits = manager._uploads._commits
        commits.run(
            commits.create(ID, audio, cover, {}, id_is_new=False, confirms=True, derived=files)
        )


def with_parts(stage: Stage) -> None:
    """Store an asset with a waveform and a transcript."""
    stage.upload()
    derive(stage.manager)
    attach(stage.manager)


def _with_a_preview(stage: Stage) -> None:
    with_parts(stage)
    derive(stage.manager, 1, PREVIEW)


def _deleted(stage: Stage) -> None:
    with_parts(stage)
    stage.manager.delete(ID)


def has(stage: Stage, **extensions: str) -> None:
    """See that the asset is whole, with these parts, and that nothing else is there."""
    whole(stage, objects=2 + len(extensions))
    _require(stage.manager, extensions)


def _require(manager: AudioStorageManager, extensions: Mapping[str, str]) -> None:
    asset = manager.get(ID)
    names = {part: blob.name for part, blob in {**asset.derived, **asset.attached}.items()}
    assert names == {part: f"audio/{ID}/{part}.{each}" for part, each in extensions.items()}
    assert not asset.stale
    assert require_asset(manager.store, ID).parts.keys() == asset.parts.keys()


def _held(stage: Stage) -> None:
    stage.upload()
    stage.manager.hold(ID)
    stage.manager.expire(ID, EXPIRY)


def _held_with_parts(stage: Stage) -> None:
    has(stage, transcript="vtt")
    blobs = list(stage.store.list(""))
    assert all(blob.temporary_hold for blob in blobs)
    assert {blob.custom_time for blob in blobs} == {EXPIRY}


def _copied(stage: Stage) -> None:
    has(stage, waveform="dat", transcript="vtt")
    _require(stage.copies, {"waveform": "dat", "transcript": "vtt"})
    assert len(list(stage.target.list(""))) == 4


def _copied_before(stage: Stage) -> None:
    stage.upload()
    _copy(stage.manager, stage)
    derive(stage.manager)
    attach(stage.manager)


def _gone_but_restorable(stage: Stage) -> None:
    assert stage.things() == {}
    stage.manager.restore(ID)
    has(stage, waveform="dat", transcript="vtt")


BOTH = {"waveform": "dat", "transcript": "vtt"}
PART_WORKS = (
    Work("attach", Stage.upload, lambda m, _: attach(m), lambda s: has(s, transcript="vtt"), ONE),
    Work("attach another", with_parts, lambda m, _: attach(m, ".txt"),
         lambda s: has(s, waveform="dat", transcript="txt"), ONE),
    Work("attach to what is held and expires", _held, lambda m, _: attach(m),
         _held_with_parts, ONE),
    Work("detach", with_parts, lambda m, _: m.detach(ID, "transcript"),
         lambda s: has(s, waveform="dat"), ONE, finished_by=GONE),
    Work("derive", Stage.upload, lambda m, _: derive(m), lambda s: has(s, waveform="dat"), ONE),
    Work("derive again", with_parts, lambda m, _: derive(m, 2), lambda s: has(s, **BOTH), ONE),
    Work(
        "derive another preview", _with_a_preview,
        lambda m, _: derive(m, 2, PREVIEW), lambda s: has(s, **BOTH, preview="mp3"), ONE,
    ),
    Work("upload with parts", lambda _: None, lambda m, _: upload_with_parts(m),
         lambda s: has(s, waveform="dat", preview="mp3"), ONE),
    Work("delete with parts", with_parts, lambda m, _: m.delete(ID), _gone_but_restorable, ONE,
         finished_by=GONE),
    Work("restore with parts", _deleted, lambda m, _: m.restore(ID),
         lambda s: has(s, **BOTH), ONE),
    Work("copy with parts", with_parts, _copy, _copied, ONE),
    Work("copy parts that are missing", _copied_before, _copy, _copied, ONE),
    Work("hold with parts", with_parts, lambda m, _: m.hold(ID), lambda s: has(s, **BOTH), ONE),
    Work("set class with parts", with_parts, lambda m, _: m.set_class(ID, "COLDLINE"),
         lambda s: has(s, **BOTH), ONE),
)  # fmt: skip
BY_NAME = {work.name: work for work in PART_WORKS}
