"""From a URL to a store."""

from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from audiostore import (
    AudioStorageManager,
    ConfigurationError,
    MemoryStore,
    OpenOptions,
    open_store,
    register_store,
)


@pytest.fixture
def scheme() -> str:
    """A scheme that no other test uses."""
    return f"test-{uuid4()}"


def test_a_url_leads_to_the_store_of_its_scheme(tmp_path: Path) -> None:
    for url in ("music", "gs://music", "gs://music/"):
        with closing(open_store(url)) as store:
            assert (type(store).__name__, store.url) == ("GcsStore", "gs://music")
    for url in (tmp_path.as_uri(), f"file:{tmp_path}"):
        store = open_store(url)
        assert (type(store).__name__, store.url) == ("LocalStore", tmp_path.as_uri())


@pytest.mark.parametrize("url", ["s3://bucket", "memory://x", "file:relative", "gs://", "", "A:b"])
def test_a_url_without_a_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"give my-bucket|write file:///"):
        open_store(url)


def test_a_registered_scheme_is_opened_by_its_opener(scheme: str) -> None:
    asked: list[tuple[str, OpenOptions]] = []
    memory = MemoryStore()

    def opener(url: str, options: OpenOptions) -> MemoryStore:
        asked.append((url, options))
        return memory

    register_store(scheme, opener)

    assert open_store(f"{scheme}://x?y", project="p") is memory
    assert asked == [(f"{scheme}://x?y", OpenOptions(project="p"))]
    with AudioStorageManager(f"{scheme}:x") as manager:
        assert manager.url == memory.url


@pytest.mark.parametrize("taken", ["gs", "file"])
def test_a_scheme_is_registered_once(taken: str, scheme: str) -> None:
    register_store(scheme, lambda _url, _options: MemoryStore())
    for each in (taken, scheme):
        with pytest.raises(ValueError, match="is already registered"):
            register_store(each, lambda _url, _options: MemoryStore())


@pytest.mark.parametrize("malformed", ["", "S3", "s3:", "s3://", "3s", "ü", "a b"])
def test_a_malformed_scheme_is_refused(malformed: str) -> None:
    with pytest.raises(ValueError, match="invalid URL scheme"):
        register_store(malformed, lambda _url, _options: MemoryStore())
