"""Results of items as the lines of the objects that hold them, and their counts."""

from collections import Counter
from collections.abc import Iterable, Mapping
from json import dumps, loads
from types import UnionType

from audiostore.dataclass import dataclass
from audiostore.fleet.layout import ChunkState
from audiostore.fleet.objects import Fields, damaged, read
from audiostore.fleet.values import FleetResult
from audiostore.stores import ObjectStore
from audiostore.values import BlobInfo

_TYPES: dict[str, "type | UnionType"] = {
    "index": int,
    **dict.fromkeys(("audio", "origin", "audio_id", "status"), str),
    **dict.fromkeys(("audio_path", "thumbnail_path", "error_kind", "error"), str | None),
    "size_bytes": int | None,
    "duration_s": float | int | None,
}


def require_types(fields: Fields, **types: "type | UnionType") -> None:
    """Check the types of values that are read from a store.

    Raises:
        TypeError: one is not as it was written.
    """
    for name, expected in types.items():
        if not isinstance(fields.get(name), expected):
            raise TypeError(f"{name} is not as it was written")


def result_fields(result: FleetResult) -> Fields:
    """Return a result as a line: what is not known is left out."""
    fields = {name: getattr(result, name) for name in FleetResult.__match_args__}
    return {name: value for name, value in fields.items() if value not in (None, "", ())}


def read_results(store: ObjectStore, state: ChunkState) -> list[FleetResult]:
    """Return the results of a chunk, the last of each item, in order.

    Raises:
        IntegrityError: they are damaged.
    """
    latest: dict[int, FleetResult] = {}
    for blob in state.results:
        for line in read(store, blob):
            try:
                warnings = tuple(map(str, line.get("warnings", ())))
                fields = {"origin": "", **line, "warnings": warnings}
                require_types(fields, **_TYPES)
                result = FleetResult(**fields)
            except TypeError as error:
                raise damaged(store, blob.name) from error
            latest[result.index] = result
    return [latest[index] for index in sorted(latest)]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many results an attempt has."""

    items: int
    errors: Counter[str]
    """How many failed, by the class of the error."""

    @property
    def failed(self) -> int:
        """How many items failed."""
        return self.errors.total()


def counts_of(items: int, failures: Iterable[FleetResult]) -> Mapping[str, str]:
    """Return the counts of results, as metadata of the object that holds them."""
    errors = Counter(each.error_kind for each in failures)
    return {
        "items": str(items),
        "failed": str(errors.total()),
        **({"errors": dumps(errors)} if errors else {}),
    }


def counts_in(store: ObjectStore, blob: BlobInfo) -> Counts:
    """Return the counts in the metadata of results.

    Raises:
        IntegrityError: they are damaged.
    """
    try:
        counts = Counts(
            int(blob.metadata["items"]), Counter(loads(blob.metadata.get("errors", "{}")))
        )
        is_whole = counts.failed == int(blob.metadata["failed"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(store, blob.name) from error
    if not is_whole:
        raise damaged(store, blob.name)
    return counts
