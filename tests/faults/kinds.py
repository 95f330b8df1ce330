"""The table of the kinds of bucket: what every command does on each.

A kind is one value in `KINDS`: how it differs from a plain bucket, and what a command does there
that it does not do on a plain bucket. `test_kinds.py` runs every command on every kind, and checks
each cell. Most kinds are settings of the bucket resource
(cloud.google.com/storage/docs/json_api/v1/buckets).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.assets import BUCKET
from tests.gcs_server import AS_NEW, StrictServer, supplied

KMS_KEY = "projects/p/locations/us/keyRings/r/cryptoKeys/k"


@dataclass(frozen=True)
class Cell:
    """What a command does: in a few words, and what a test sees of it.

    After exit code 0 the command has done what it is for, as `test_kinds.py` sees it, unless
    `changes` is false; after any other it has changed nothing.
    """

    text: str
    says: str = ""
    """Part of what it prints."""
    code: int = 0
    changes: bool = True


WORKS = Cell("works")
_NEVER_PURGED = Cell("refused: the bucket does it at a set time", "at a set time", code=2)


@dataclass(frozen=True)
class Command:
    """A row: a command, as it is run for an asset that is first made so."""

    name: str
    line: str
    """Its arguments: {id} of the asset, {song} and {cover} to store, another image {other}, a {new}
    id, {to} a path to write, {store} the URL of a directory, {policy} a file."""
    of: str = "stored"
    """What the asset is before: stored, deleted, held, with a transcript, stored in the directory,
    or nothing."""
    usually: Cell = WORKS


COMMANDS = (
    Command("put", "put {song} --thumbnail {cover} --id {id}", of="nothing"),
    Command("check", "check"),
    Command("check --deep", "check --deep"),
    Command("get", "get {id} -o {to}"),
    Command("list", "list"),
    Command("show", "show {id} --json"),
    Command("stats", "stats"),
    Command("export", "export"),
    Command("meta", "meta {id} mood=calm"),
    Command("cover", "cover {id} {other} --yes"),
    Command("attach", "attach {id} transcript {words} --yes"),
    Command("detach", "detach {id} transcript --yes", of="with a transcript"),
    Command(
        "put --supersedes --trash-superseded",
        "put {song} --id {new} --supersedes {id} --trash-superseded",
    ),
    Command("hold", "hold {id}"),
    Command("release", "release {id}", of="held"),
    Command("expire", "expire {id} --on 2099-12-31 --yes"),
    Command("set-class", "set-class {id} NEARLINE --yes"),
    Command("copy --from", "copy {id} --from gs://bucket --to {store}"),
    Command("copy --to", "copy {id} --from {store} --to gs://bucket", of="stored in the directory"),
    Command("url", "url {id}"),
    Command("rm -n", "rm {id} --dry-run"),
    Command("rm", "rm {id} --yes"),
    Command("rm --permanent", "rm {id} --yes --permanent"),
    Command("trash list", "trash list", of="deleted"),
    Command("restore", "restore {id}", of="deleted"),
    Command(
        "purge",
        "purge {id} --yes",
        of="deleted",
        usually=_NEVER_PURGED,
    ),
    Command("lifecycle show", "lifecycle show"),
    Command("lifecycle apply", "lifecycle apply {policy} --yes"),
    Command("doctor", "doctor"),
)


PROTECTED = (
    "cover",
    "detach",
    "put --supersedes --trash-superseded",
    "rm",
    "rm --permanent",
    "rm -n",
    "set-class",
)
"""What deletes or replaces an object, which holds and retention periods forbid."""


@dataclass(frozen=True)
class Kind:
    """A column: a kind of bucket."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What is set on the bucket, by the JSON names, in addition to a plain one's settings."""
    full: Mapping[str, Any] = field(default_factory=dict)
    """What is set only once the assets are there, which could not be stored otherwise."""
    then: Callable[[StrictServer], object] | None = None
    """What is done to the server once the assets are there."""
    server: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the `StrictServer`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    cells: Mapping[str, Cell] = field(default_factory=dict)
    """By the name of a command."""
    every: Cell | None = None
    """What all other commands do, if not what they do on a plain bucket."""

    def cell(self, command: Command) -> Cell:
        """Return what a command does here."""
        return self.cells.get(command.name) or self.every or command.usually


_CANNOT_UNDO = Cell("refused without --permanent", "soft delete is off", code=2)
_NOTHING_DELETED = Cell("finds nothing: nothing is kept", "no deleted asset", code=3)
_EMPTY = Cell("prints nothing", changes=False)
_HELD = Cell("refused: says that it is held", "an event-based hold", code=1)
_RETAINED = Cell("refused: says until when", "its retention period, until", code=1)
_STAYS = Cell("finds it not deleted")
_STILL_KEPT = Cell("ends its own hold; names what stays", "is still protected by")
_BUCKET_DECIDES = Cell("", "(Autoclass)", code=1)
_PERIOD = {"retentionPolicy": {"retentionPeriod": "2592000"}}
_REQUESTER_PAYS = {"billing": {"requesterPays": True}}
_NO_PROJECT = Cell("refused: says how to name a project", "GCS_BILLING_PROJECT", code=2)
_REFUSED = Cell("refused: cannot be read", "cannot be read and verified", code=1)
_WARNED = Cell("✓, with a warning", "cannot be verified", changes=False)
_FOUND = Cell("reports each object", "unreadable-object", code=1)
_UNREADABLE = {
    **dict.fromkeys(("get", "copy --from", "url", "attach"), _REFUSED),
    **dict.fromkeys(("list", "show", "stats"), _WARNED),
    **dict.fromkeys(("check", "check --deep"), _FOUND),
    "export": Cell("✓, without checksums", '"crc32c": null', changes=False),
}
"""What commands do with objects whose key the bucket does not have."""

_NOTHING_KEPT = {"softDeletePolicy": {"retentionDurationSeconds": "0"}}
_WITHOUT_SOFT_DELETE = {
    "rm -n": _CANNOT_UNDO,
    "rm": _CANNOT_UNDO,
    "trash list": _EMPTY,
    "restore": _NOTHING_DELETED,
}
_VERSIONING = {"versioning": {"enabled": True}}
_WARNS_OF_VERSIONS = {
    "lifecycle apply": Cell("works; warns that rules leave versions", "noncurrent version"),
    "doctor": Cell("says what stays as a version", "all versions"),
}

_NOT_SEEN = Cell("refused: names the permission", "storage.buckets.get", code=1)

KINDS = (
    Kind("plain", AS_NEW),
    Kind("no soft delete", _NOTHING_KEPT, cells=_WITHOUT_SOFT_DELETE),
    Kind("Object Versioning", _VERSIONING, cells=_WARNS_OF_VERSIONS),
    Kind(
        "Object Versioning, no soft delete",
        {**_VERSIONING, **_NOTHING_KEPT},
        cells={**_WITHOUT_SOFT_DELETE, **_WARNS_OF_VERSIONS},
    ),
    Kind("hierarchical namespace", {"hierarchicalNamespace": {"enabled": True}}),
    Kind(
        "without storage.buckets.get",
        server={"denied": {"storage.buckets.get"}},
        cells={
            "lifecycle show": _NOT_SEEN,
            "lifecycle apply": _NOT_SEEN,
            "expire": Cell("works; cannot tell whether a rule deletes it", "cannot tell"),
            "rm -n": Cell("works; cannot tell for how long it is kept", "account may not see"),
            "doctor": Cell("says what it cannot see", "cannot be seen"),
        },
    ),
    Kind(
        "requester pays",
        _REQUESTER_PAYS,
        environment={"GCS_BILLING_PROJECT": "payer"},
    ),
    Kind(
        "requester pays, no project named",
        full=_REQUESTER_PAYS,
        every=_NO_PROJECT,
        cells={
            "purge": _NEVER_PURGED,
            "doctor": replace(_NO_PROJECT, text="says how to name a project", code=1),
        },
    ),
    Kind(
        "Autoclass",
        {"autoclass": {"enabled": True}},
        cells={
            "set-class": replace(_BUCKET_DECIDES, text="refused: the bucket decides"),
            "lifecycle apply": replace(_BUCKET_DECIDES, text="refused if it sets classes"),
        },
    ),
    Kind(
        "default event-based hold",
        {"defaultEventBasedHold": True},
        cells={
            **dict.fromkeys(PROTECTED, _HELD),
            "release": _STILL_KEPT,
            "trash list": replace(_STAYS, changes=False),
            "restore": _STAYS,
        },
    ),
    Kind(
        "retention policy",
        _PERIOD,
        cells={
            **dict.fromkeys(PROTECTED, _RETAINED),
            "release": _STILL_KEPT,
            "trash list": replace(_STAYS, changes=False),
            "restore": _STAYS,
        },
    ),
    Kind("Cloud KMS key", {"encryption": {"defaultKmsKeyName": KMS_KEY}}),
    Kind(
        "Cloud KMS key disabled",
        {"encryption": {"defaultKmsKeyName": KMS_KEY}},
        then=lambda server: server.keys.disabled.add(KMS_KEY),
        cells={
            **_UNREADABLE,
            **dict.fromkeys(
                ("put", "cover", "put --supersedes --trash-superseded", "copy --to"),
                Cell("refused: names the key", "enable the Cloud KMS key", code=1),
            ),
            "set-class": Cell("refused: names the key", "enable the Cloud KMS key", code=1),
        },
    ),
    Kind(
        "customer-supplied keys",
        then=lambda server: server.encrypt(BUCKET, supplied(bytes(32))),
        cells={
            **_UNREADABLE,
            "set-class": Cell("refused: names the kind of key", "customer-supplied key", code=1),
        },
    ),
)


def printed() -> Iterable[str]:
    """Yield the table, in Markdown."""
    yield f"| | {' | '.join(kind.name for kind in KINDS)} |"
    yield f"|---|{'---|' * len(KINDS)}"
    for command in COMMANDS:
        cells = (kind.cell(command) for kind in KINDS)
        yield f"| `{command.name}` | {' | '.join(_written(cell) for cell in cells)} |"


def _written(cell: Cell) -> str:
    return "✓" if cell is WORKS else cell.text
