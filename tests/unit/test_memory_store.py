"""What the store in memory does not share with the others."""

import multiprocessing
import pickle
from datetime import UTC, datetime
from multiprocessing.context import ForkContext, SpawnContext
from urllib.parse import parse_qs, urlsplit

import pytest

from audiostore import AudioStorageManager, MemoryStore
from tests.assets import tone

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)


def test_a_pickled_store_is_the_same_store() -> None:
    store = MemoryStore("a")
    with AudioStorageManager(store=store) as manager:
        twin = pickle.loads(pickle.dumps(manager))
        audio_id = twin.upload_audio_file(tone(0.1)).audio_id
        assert twin.store.url == "memory://a"
        assert manager.exists(audio_id)


def _unpickle(data: bytes, answers: "multiprocessing.Queue[str]") -> None:
    try:
        answers.put(f"a store: {pickle.loads(data)}")
    except TypeError as error:
        answers.put(str(error))


@pytest.mark.slow
@pytest.mark.parametrize(
    "context", [multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")]
)
def test_a_store_is_never_copied_silently_to_another_process(
    context: ForkContext | SpawnContext,
) -> None:
    store = MemoryStore("a")
    answers = context.Queue()
    child = context.Process(target=_unpickle, args=(pickle.dumps(store), answers))
    child.start()
    assert "memory://a lives in the memory of the process" in answers.get(timeout=60)
    child.join()


def test_a_store_that_is_gone_is_not_another_one() -> None:
    data = pickle.dumps(MemoryStore())
    with pytest.raises(TypeError, match="only while something there holds it"):
        pickle.loads(data)


def test_a_signed_url_says_what_it_is_for() -> None:
    store = MemoryStore("a", now=lambda: NOON)
    with AudioStorageManager(store=store) as manager:
        stored = manager.upload_audio_file(tone(0.1))
        url = urlsplit(manager.signed_url(stored.audio_id, expires_s=60, download_as="a b.wav"))
    assert stored.audio is not None
    assert (url.scheme, url.netloc, url.path) == ("memory", "a", f"/{stored.audio.name}")
    assert parse_qs(url.query) == {
        "generation": [str(stored.audio.generation)],
        "method": ["GET"],
        "expires": ["20300601T120100Z"],
        "download_as": ["a b.wav"],
    }
    with pytest.raises(ValueError, match="604800"):
        store.signed_url(stored.audio, expires_s=604_801)
