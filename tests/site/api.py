"""The pages of the Python API: which public name is on which. Docstrings say the rest."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

import audiostore


@dataclass(frozen=True, slots=True)
class Topic:
    """A page of the reference."""

    slug: str
    title: str
    head: str
    homes: tuple[str, ...] = ()
    """The rooms, as the package names them, whose public names are on the page."""
    modules: tuple[str, ...] = ()
    """Public modules with names of their own."""
    first: tuple[str, ...] = ()
    """The names that come first; the others follow in alphabetical order."""

    def sources(self) -> Iterator[str]:
        """Yield the files that may hold what is on the page: the doors of its rooms and modules."""
        for module in (*(f"audiostore.{home}" for home in self.homes), *self.modules):
            path = f"src/{module.replace('.', '/')}"
            yield f"{path}.py"
            yield f"{path}/__init__.py"


TOPICS: Final = (
    Topic(
        "manager",
        "AudioStorageManager",
        "The entry point: a store, and what can be done with the assets in it.",
        homes=("manager",),
        first=("AudioStorageManager",),
    ),
    Topic(
        "asyncio",
        "AsyncAudioStorageManager",
        "The same methods for asyncio, awaited.",
        homes=("aio",),
        first=("AsyncAudioStorageManager",),
    ),
    Topic(
        "assets",
        "Assets and results",
        "What uploads, listings and the trash return.",
        homes=("values", "asset", "analysis"),
        first=("StorageResult", "Asset"),
    ),
    Topic(
        "uploads",
        "Uploading",
        "What can be uploaded, and the options of an upload.",
        homes=("ingest", "sources", "remotefiles"),
        first=("UploadKeywords", "ThumbnailKeywords", "UploadOptions"),
    ),
    Topic(
        "bulk",
        "Many assets",
        "`manager.bulk`: uploads, downloads and copies of many assets.",
        homes=("bulk",),
        first=("Bulk", "BulkItem"),
    ),
    Topic(
        "catalog",
        "Finding and exporting",
        "`manager.catalog`: find, count, price and export assets.",
        homes=("catalog",),
        first=("Catalog", "Query"),
    ),
    Topic(
        "audit",
        "Checking and repairing",
        "`manager.audit`: find what is wrong in a store, and repair it.",
        homes=("audit",),
        first=("Audit",),
    ),
    Topic(
        "lifecycle",
        "Lifecycle",
        "`manager.lifecycle`: what a store does with assets as they age.",
        homes=("lifecycle",),
        first=("Lifecycle",),
    ),
    Topic(
        "fleet",
        "Many machines, and adopting",
        "`audiostore.fleet`: a plan in the store, and workers on any engine.",
        homes=("fleet", "adopt"),
        modules=("audiostore.fleet",),
    ),
    Topic(
        "events",
        "Events",
        "What `on_event` is called with.",
        homes=("events",),
        first=("Event", "EventListener"),
    ),
    Topic(
        "errors",
        "Errors",
        "Every error is an `AudioStoreError`, and also the builtin error that it refines.",
        homes=("errors",),
        first=("AudioStoreError",),
    ),
    Topic(
        "retries",
        "Retries",
        "How often a request is repeated, and how long audiostore waits in between.",
        homes=("retry",),
        first=("RetryConfig",),
    ),
    Topic(
        "stores",
        "Stores",
        "The stores, and the protocol to write one of your own.",
        homes=("stores", "stores.gcs", "stores.local", "stores.memory"),
        first=("open_store", "GcsStore", "LocalStore", "MemoryStore", "ObjectStore"),
    ),
    Topic(
        "testing",
        "Testing",
        "For the tests of programs that use audiostore, and of stores of your own.",
        modules=("audiostore.testing", "audiostore.stores.testing"),
    ),
    Topic(
        "verify",
        "Verifying a bucket",
        "What `audiostore verify-bucket` does, for programs.",
        modules=("audiostore.verify",),
    ),
    Topic(
        "service",
        "The service",
        "The HTTP service as an ASGI application. It needs the extra `serve`.",
        modules=("audiostore.serve",),
    ),
)


def pages() -> Mapping[str, str]:
    """Return the pages by slug.

    Raises:
        LookupError: a public name has no page.
    """
    homes: Mapping[str, str] = audiostore._HOMES  # type: ignore[attr-defined]
    placed = {home for topic in TOPICS for home in topic.homes}
    if missing := homes.keys() - placed:
        raise LookupError(f"no page of the reference has the names of {sorted(missing)}")
    return {topic.slug: "".join(_page(topic, homes)) for topic in TOPICS}


def _page(topic: Topic, homes: Mapping[str, str]) -> Iterator[str]:
    yield f"# {topic.title}\n\n{topic.head}\n"
    names = sorted({name for home in topic.homes for name in homes[home].split()}, key=str.lower)
    for module in topic.modules:
        yield _directive(module, "members: false")
        for name in _names_of(module):
            if name not in names:
                yield _directive(f"{module}.{name}")
    for name in [*topic.first, *(each for each in names if each not in topic.first)]:
        yield _directive(f"audiostore.{name}")


def _names_of(module: str) -> list[str]:
    """Return the names of functions and classes of ours that a module has, in order."""
    door = import_module(module)
    return [
        name
        for name in sorted(dir(door), key=str.lower)
        if not name.startswith("_")
        and str(getattr(getattr(door, name), "__module__", "")).startswith("audiostore")
    ]


def _directive(path: str, option: str = "") -> str:
    return f"\n::: {path}\n" + (f"    options:\n      {option}\n" if option else "")
