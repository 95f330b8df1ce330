"""What a run does: one kind for each, by the name that its plan and its chunks carry.

Planning, claims, marks, attempts and status are the same for all. A kind says what an item and the
options are, what makes an item the same when it is planned again, and what is done with chunks.
"""

from collections.abc import Callable, Generator, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from audiostore.bulk import RunOptions
from audiostore.dataclass import dataclass
from audiostore.fleet.objects import Fields, damaged
from audiostore.fleet.values import FleetChunk
from audiostore.stores import ObjectStore

if TYPE_CHECKING:
    from audiostore.fleet.chunks import OpenChunk
    from audiostore.manager import AudioStorageManager

STORE = "store"
_HOMES = {
    STORE: "audiostore.fleet.storing",
    "adopt": "audiostore.fleet.adoptions",
    "list": "audiostore.fleet.listing",
    "export": "audiostore.fleet.listing:EXPORT",
    "stats": "audiostore.fleet.counting",
    "check": "audiostore.fleet.checking",
    "shards": "audiostore.fleet.exporting",
    "analyse": "audiostore.fleet.analysing",
}
"""By kind: the module that has it, as `KIND` unless another name is given."""
_PURPOSES = {
    STORE: "store files",
    "adopt": "adopt objects",
    "list": "list assets",
    "export": "export assets",
    "stats": "count assets",
    "check": "check a store",
    "shards": "export tar files",
    "analyse": "analyse assets",
}


class Worker(Protocol):
    """Works on chunks."""

    def __call__(
        self,
        manager: "AudioStorageManager",
        chunks: "Iterable[OpenChunk]",
        options: Any,
        run_options: RunOptions,
        *,
        may_fork: bool,
    ) -> Generator[FleetChunk, None, None]:
        """Yield what became of each chunk as it ends: what its `finish` returns.

        `chunks` claims each as it is asked for, and hours may pass until then.

        Args:
            manager: of the store.
            chunks: to work on, begun by this worker.
            options: of the run, as the kind's `options_in` returns them.
            run_options: limits of this worker.
            may_fork: whether processes may be forked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """What a run does."""

    name: str
    options_in: Callable[[Fields], Any]
    """Returns the options in the fields of a plan; raises KeyError, TypeError or ValueError."""
    item_in: Callable[[Fields], Any]
    """Returns the item in a line of a plan, likewise."""
    identity: Callable[[Fields], Fields]
    """Returns what makes the item of a line the same when it is planned again."""
    work: Worker
    has_item_results: bool = True
    """Whether its results are a `FleetResult` for each item; else they are lines of its own."""
    is_of_parts: bool = False
    """Whether its items are the parts of a store: then the number of chunks is their number."""


def kind_named(store: ObjectStore, name: str, where: str) -> Kind:
    """Return the kind that a plan names.

    Raises:
        IntegrityError: there is none of that name; `where` is the object that says so.
    """
    if name not in _HOMES:
        raise damaged(store, where)
    home, _, attribute = _HOMES[name].partition(":")
    kind: Kind = getattr(import_module(home), attribute or "KIND")
    return kind


def purpose_of(name: str) -> str:
    """Return what runs of a kind do, for messages."""
    return _PURPOSES.get(name, name)


def kind_fields(name: str) -> Fields:
    """Return what says the kind in a plan and in its chunks: nothing where files are stored."""
    return {} if name == STORE else {"kind": name}
