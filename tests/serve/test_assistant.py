"""The tools of an assistant, used over stdio by the client of the protocol's own package."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from audiostore import AudioStorageManager, LocalStore, MemoryStore
from audiostore.serve import ShareKey, mcp_server
from audiostore.serve.fetching import WebFile
from tests.assets import MP3, tone

pytestmark = pytest.mark.slow
MISSING = "00000000-0000-4000-8000-000000000000"


def command(*options: str, **environment: str) -> Any:
    """A transport to the command."""
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "audiostore", "mcp", *options],
        env={**os.environ, "NO_GCE_CHECK": "true", **environment},
    )
    return stdio_client(parameters)


async def answer(client: Client, tool: str, **arguments: Any) -> Any:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result
    text: str = result.content[0].text  # type: ignore[union-attr]
    return text


def test_an_assistant_finds_and_sees_what_is_stored(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with AudioStorageManager(store=LocalStore(store)) as manager:
        stored = manager.upload_audio_file(MP3)
        manager.upload_audio_file(tone(title="Concert pitch"), filename="a.wav")

    async def talk() -> None:
        async with Client(command("--bucket", store.as_uri())) as client:
            tools = await client.list_tools()
            assert [each.name for each in tools.tools] == [
                "search",
                "show",
                "link",
                "store_from_url",
            ]
            assert all(each.description for each in tools.tools)
            found = await answer(client, "search", text="morning")
            assert [each["audio_id"] for each in found["items"]] == [stored.audio_id]
            assert (found["total"], found["is_complete"]) == (1, True)
            assert (await answer(client, "search", limit=1))["total"] == 2
            shown = await answer(client, "show", audio_id=stored.audio_id)
            assert shown == found["items"][0]
            assert "no asset" in (await refusal(client, "show", audio_id=MISSING)).lower()
            assert "limit" in await refusal(client, "search", limit=0)
            assert "copy the asset to a bucket" in await refusal(
                client, "link", audio_id=stored.audio_id
            )

    asyncio.run(talk())


def test_what_is_not_public_cannot_be_stored(tmp_path: Path) -> None:
    store = tmp_path / "store"

    async def talk() -> None:
        async with Client(command("--bucket", store.as_uri())) as client:
            for url in ("https://127.0.0.1/a.mp3", "https://localhost/a.mp3"):
                assert "not public" in await refusal(client, "store_from_url", url=url)
            for url in ("file:///etc/passwd", "http://example.com/a.mp3", "gs://bucket/a.mp3"):
                assert "https://" in await refusal(client, "store_from_url", url=url)
            assert (await answer(client, "search"))["total"] == 0

    asyncio.run(talk())


def test_what_is_fetched_is_stored_and_found_at_once() -> None:
    data = tone(title="From afar")

    @contextmanager
    def fetch(url: str, *, most_bytes: int) -> Iterator[WebFile]:
        assert (url, most_bytes > len(data)) == ("https://example.com/far.wav", True)
        yield WebFile("far.wav", len(data), iter([data[:1000], data[1000:]]))

    async def talk() -> None:
        with AudioStorageManager(store=MemoryStore()) as manager:
            async with Client(mcp_server(manager, fetch=fetch)) as client:
                await answer(client, "search")
                stored = await answer(
                    client,
                    "store_from_url",
                    url="https://example.com/far.wav",
                    metadata={"mood": "calm"},
                )
                assert (stored["tags"]["title"], stored["custom"]) == (
                    "From afar",
                    {"mood": "calm"},
                )
                found = await answer(client, "search", text="afar")
                assert found["items"] == [stored]
                assert manager.read_bytes(stored["audio_id"]) == data
                link = await answer(client, "link", audio_id=stored["audio_id"], expires_s=60)
                assert link["url"].startswith("memory")

    asyncio.run(talk())


def test_links_of_the_service_are_those_that_it_reads() -> None:
    key = ShareKey(b"a secret of sixteen bytes or more")

    async def talk() -> None:
        with AudioStorageManager(store=MemoryStore()) as manager:
            audio_id = manager.upload_audio_file(tone()).audio_id
            server = mcp_server(manager, share_key=key, public_url="https://audio.example/")
            async with Client(server) as client:
                link = await answer(client, "link", audio_id=audio_id, expires_s=60)
                base, _, token = link["url"].rpartition("/")
                assert base == "https://audio.example/s"
                assert key.read_share(token).audio_id == audio_id
                assert "at least 1" in await refusal(client, "link", audio_id=audio_id, expires_s=0)

    asyncio.run(talk())
