"""The objects of a fleet run in its store: their names, and the state of a chunk that they tell.

::

    fleet/{run}/plan.json                 created once, when the whole list is planned
    fleet/{run}/000017/plan.jsonl         the items of a chunk, and their ids
    fleet/{run}/000017/begun-0            created once, before the first byte of the chunk is stored
    fleet/{run}/000017/results-0.jsonl    created once, when every item is stored or refused
    fleet/{run}/000017/retry-1            asks to try again what failed; then begun-1, results-1 …

All that is known of a chunk is in one folder, so one listing finds it, and the counts stand in the
metadata of its results, so a listing of a run tells its whole state. See
docs/decisions/0020-a-plan-in-the-store.md.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from audiostore.dataclass import dataclass
from audiostore.errors import IntegrityError, InvalidRunError, shown
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo

MAX_CHUNKS = 1_000_000
_ROOT = "fleet"
_RUN = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_LIBRARY = "audio"
_CHUNK = re.compile(r"([0-9]{6})/")


def require_run(run: str) -> str:
    """Return the name of a run if it is valid.

    Raises:
        InvalidRunError: it is not.
    """
    # Under the prefix "fleet" in the same bucket, another library has its assets in "audio/".
    if not (isinstance(run, str) and _RUN.fullmatch(run) and run != _LIBRARY):
        raise InvalidRunError(
            f"invalid run name {shown(run)}: give up to 63 lower-case letters, digits, '.', '_' "
            "and '-', beginning with a letter or digit (not 'audio')"
        )
    return run


def folder_of(run: str, chunk: int | None = None) -> str:
    """Return the prefix of the names of a run's objects, or of a chunk's."""
    folder = f"{_ROOT}/{require_run(run)}/"
    return folder if chunk is None else f"{folder}{chunk:06}/"


def plan_name(run: str) -> str:
    """Return the name of the object that says that a run is planned."""
    return f"{folder_of(run)}plan.json"


def items_name(run: str, chunk: int) -> str:
    """Return the name of the object with the items of a chunk."""
    return f"{folder_of(run, chunk)}plan.jsonl"


def begun_name(run: str, chunk: int, attempt: int) -> str:
    """Return the name of the object that says that an attempt has begun."""
    return f"{folder_of(run, chunk)}begun-{attempt}"


def results_name(run: str, chunk: int, attempt: int) -> str:
    """Return the name of the object with the results of an attempt."""
    return f"{folder_of(run, chunk)}results-{attempt}.jsonl"


def retry_name(run: str, chunk: int, attempt: int) -> str:
    """Return the name of the object that asks for another attempt, from number 1."""
    return f"{folder_of(run, chunk)}retry-{attempt}"


@dataclass(frozen=True, slots=True)
class ChunkState:
    """What the store has of a chunk."""

    number: int
    items: BlobInfo | None
    begun: BlobInfo | None
    """The mark of the attempt that is to be made."""
    results: tuple[BlobInfo, ...]
    """Of each attempt, in order."""
    attempt: int | None
    """The attempt that is to be made; None if there is nothing to do."""


def planned_runs(store: ObjectStore) -> list[str]:
    """Return the names of the runs whose plans are complete, in order."""
    ending = "/plan.json"
    names = (blob.name for blob in store.list(f"{_ROOT}/") if blob.name.endswith(ending))
    return [
        run
        for name in names
        if _RUN.fullmatch(run := name.removeprefix(f"{_ROOT}/").removesuffix(ending))
        and run != _LIBRARY
    ]


def planned_chunks(store: ObjectStore, run: str) -> set[int]:
    """Return the numbers of the chunks whose items are in the store."""
    names = (blob.name for blob in store.list(folder_of(run)))
    matches = ((_CHUNK.match(name, len(folder_of(run))), name) for name in names)
    return {int(match[1]) for match, name in matches if match and name.endswith("/plan.jsonl")}


def chunk_state(store: ObjectStore, run: str, chunk: int) -> ChunkState:
    """Look at one chunk: one request."""
    return _state(run, chunk, store.list(folder_of(run, chunk)))


def chunk_states(
    store: ObjectStore, run: str, chunks: int, *, first: int = 0
) -> Iterator[ChunkState]:
    """Look at the chunks of a run from a number on, in order, page by page.

    Raises:
        IntegrityError: the items of a chunk are missing.
    """
    folder = folder_of(run)

    found = store.list(folder, start_after=f"{folder}{first:06}")
    named = ((_CHUNK.match(blob.name, len(folder)), blob) for blob in found)
    numbered = ((int(match[1]), blob) for match, blob in named if match is not None)
    expected = first
    for chunk, pairs in groupby(numbered, itemgetter(0)):
        if chunk > expected:
            break
        state = _state(run, chunk, (blob for _, blob in pairs))
        if state.items is None:
            break
        yield state
        expected += 1
        if expected == chunks:
            return
    raise IntegrityError(
        f"{store.uri(items_name(run, expected))} is missing: the items of a chunk were deleted"
    )


def _state(run: str, chunk: int, blobs: Iterable[BlobInfo]) -> ChunkState:
    found = {blob.name: blob for blob in blobs}
    results: list[BlobInfo] = []
    while (blob := found.get(results_name(run, chunk, len(results)))) is not None:
        results.append(blob)
    attempt = len(results)
    is_wanted = attempt == 0 or retry_name(run, chunk, attempt) in found
    return ChunkState(
        chunk,
        found.get(items_name(run, chunk)),
        found.get(begun_name(run, chunk, attempt)),
        tuple(results),
        attempt if is_wanted else None,
    )
