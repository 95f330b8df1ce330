"""The first characters of an id are enough, as long as they mean one asset."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audiostore import (
    AmbiguousAudioIdError,
    AssetNotFoundError,
    AudioStorageManager,
    InvalidAudioIdError,
    Query,
    RetryConfig,
)
from tests.assets import JPG, MP3, OGG, OTHER_JPG, SOFT_DELETE, STORES, opened
from tests.gcs_server import StrictServer

FIRST = "3f2b8c1e-7d4a-4e6f-9a1b-2c3d4e5f6a7b"
SECOND = "3f2b8c1e-7d4a-4e6f-9a1b-ffffffffffff"
OTHER = "a0000000-0000-4000-8000-000000000000"
WEEK_S = 7 * 24 * 3600


@pytest.fixture(params=STORES)
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AudioStorageManager]:
    with opened(request.param, tmp_path) as store:
        store.change_settings(store.settings(), soft_delete_s=WEEK_S)
        manager = AudioStorageManager(store=store, retry_config=RetryConfig(max_attempts=1))
        manager.upload_audio_file(MP3, audio_id=FIRST, metadata={"title": "Sinnerman"})
        manager.upload_audio_with_thumbnail(OGG, JPG, audio_id=OTHER)
        yield manager


def test_a_prefix_of_any_form_means_the_only_asset_that_has_it(
    manager: AudioStorageManager,
) -> None:
    digits = FIRST.replace("-", "")
    for length in range(4, 33):
        for text in (digits[:length], digits[:length].upper()):
            assert manager.catalog.resolve(text) == FIRST
    for length in range(4, 37):
        assert manager.catalog.resolve(FIRST[:length]) == FIRST
    assert manager.catalog.resolve(f" {FIRST}\n") == FIRST
    assert manager.catalog.resolve(SECOND) == SECOND  # whole ids are not looked up
    with pytest.raises(AssetNotFoundError, match="begins with 3f2c"):
        manager.catalog.resolve("3f2c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "3f2",
        "3f-2b",
        "3f2b8-c1e",
        "3f2g",
        "--3f2b",
        f"{FIRST}0",
        "3f2b/",
        "2026-11-28",
        "\uff13f2b",
    ],
)
def test_what_begins_no_id_is_refused(text: str) -> None:
    with AudioStorageManager("file:///none") as manager:
        for resolve in (manager.catalog.resolve, manager.trash.resolve):
            with pytest.raises(InvalidAudioIdError, match="first 4 or more characters"):
                resolve(text)


def test_an_ambiguous_prefix_names_the_assets_it_could_mean(manager: AudioStorageManager) -> None:
    manager.upload_thumbnail_file(JPG, SECOND)  # an incomplete asset can be meant, too
    with pytest.raises(AmbiguousAudioIdError) as caught:
        manager.catalog.resolve("3f2b")
    assert f"{FIRST} ('Sinnerman'), {SECOND}" in str(caught.value)
    assert caught.value.candidates == (FIRST, SECOND)
    assert manager.catalog.resolve("3f2b8c1e7d4a4e6f9a1b2") == FIRST


def test_in_the_trash_a_prefix_means_what_is_deleted(manager: AudioStorageManager) -> None:
    with pytest.raises(AssetNotFoundError, match="none in its trash"):
        manager.trash.resolve("beef")
    assert manager.trash.resolve("3f2b") == FIRST  # nothing to restore, but it is there
    manager.delete(FIRST)
    with pytest.raises(AssetNotFoundError):
        manager.catalog.resolve("3f2b")
    assert manager.trash.resolve("3F2B") == FIRST
    # The old artwork of a stored asset is in the trash as well: it is not what is to be restored.
    manager.upload_audio_with_thumbnail(OGG, JPG, audio_id=SECOND)
    manager.upload_thumbnail_file(OTHER_JPG, SECOND)
    assert manager.trash.resolve("3f2b") == FIRST
    manager.delete(SECOND)
    with pytest.raises(AmbiguousAudioIdError) as caught:
        manager.trash.resolve("3f2b")
    assert caught.value.candidates == (FIRST, SECOND)
    (found,) = manager.catalog.find_deleted(Query(equal={"title": "Sinnerman"}))
    assert found.audio_id == FIRST
    (found,) = manager.catalog.find_deleted(Query(formats=frozenset({"ogg"}), has_thumbnail=True))
    assert found.audio_id == SECOND


def test_a_prefix_costs_one_request_and_an_id_none() -> None:
    with (
        StrictServer("bucket", bucket_settings=SOFT_DELETE) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("STORAGE_EMULATOR_HOST", server.url)
        with AudioStorageManager("bucket") as manager:
            for number in range(10):
                audio_id = f"3f2b000{number}{FIRST[8:]}"
                manager.upload_audio_file(MP3, audio_id=audio_id)
            before = len(server.requests)
            assert manager.catalog.resolve(FIRST) == FIRST
            assert len(server.requests) == before
            assert manager.catalog.resolve("3f2b0007") == f"3f2b0007{FIRST[8:]}"
            assert len(server.requests) == before + 1
            with pytest.raises(AmbiguousAudioIdError, match=r"\) and more; give more characters$"):
                manager.catalog.resolve("3f2b")
            assert len(server.requests) == before + 2
