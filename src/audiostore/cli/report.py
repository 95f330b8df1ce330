"""Results of bulk commands: a line for each asset, warnings, and a summary."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from audiostore.cli.failures import as_typed, located, report, sentence
from audiostore.cli.output import (
    counted,
    escape,
    explain_step,
    human_size,
    human_time,
    print_json,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from audiostore import (
        BulkItem,
        DownloadOutcome,
        IgnoredPath,
        ManifestProblem,
        UploadOutcome,
    )
    from audiostore.asset import PartName
    from audiostore.bulk import Planned

_KINDS_PRINTED = 6
_ALIKE_PRINTED = 3
_COVERS = {
    "given": "with {}",
    "same stem": "with {}",
    "folder image": "with {}, the cover of the folder",
    "embedded": "with its embedded artwork",
    "none": "without artwork",
}

UPLOADED = {
    "stored": "{} stored",
    "superseded": "{} superseded",
    "retagged": "{} retagged",
    "moved": "{} moved",
    "stored before": "{} already stored",
    "skipped": "{} skipped, already in the store",
    "deleted": "{} in the trash, not stored again",
    "failed": "{} failed",
}
FETCHED = {"fetched": "{} downloaded", "skipped": "{} already there", "failed": "{} failed"}
COPIED = {
    "copied": "{} copied",
    "skipped": "{} skipped, already there",
    "failed": "{} failed",
}
PLANNED_COPIES = {"copied": "{} would be copied", "skipped": "{} already there"}
PLANNED = {
    "new": "{} new",
    "superseded": "{} superseded",
    "retagged": "{} retagged",
    "moved": "{} moved",
    "stored": "{} already stored",
    "changed": "{} changed",
    "resumed": "{} to resume",
    "gone": "{} to store again, gone from the store",
    "again": "{} to store again, in the trash",
    "busy": "{} being stored by another run",
    "skipped": "{} skipped, already in the store",
    "deleted": "{} in the trash, not to be stored again",
    "failed": "{} would be rejected",
}
_NOT_STORED = {
    "skipped": "skip    {path}, the same audio as {id}",
    "deleted": "trash   {path}, {id} is in the trash",
    "stored": "stored  {path}, as {id}",
    "busy": "stored  {path}, as {id}",
    "retagged": "retag   {path}, stored as {id}",
    "moved": "move    {path}, stored as {id} from {old}",
}
_WHY = {
    "changed": "changed since it was stored",
    "resumed": "resumed",
    "gone": "gone from the store",
    "again": "stored again although in the trash",
}
_TAGS = ("title", "artist", "album")


def place(item: BulkItem) -> str:
    """Return where an item was listed, and its file."""
    return f"{item.origin}: {item.audio_place}" if item.origin else item.audio_place


def outcome_fields(outcome: UploadOutcome) -> Mapping[str, object]:
    """Return an outcome for JSON."""
    result, item = outcome.result, outcome.item
    return {
        "status": outcome.status,
        "reason": outcome.reason,
        "audio": item.audio_place,
        "thumbnail": item.thumbnail_place,
        "origin": item.origin or None,
        "audio_id": outcome.audio_id,
        "has_artwork": outcome.has_artwork,
        "audio_path": result.audio_path if result else None,
        "thumbnail_path": result.thumbnail_path if result else None,
        "size_bytes": outcome.size_bytes if result else None,
        "created": result.created if result else None,
        "warnings": result.warnings if result else [],
        "error": sentence(outcome.error) if outcome.error else None,
        "elapsed_s": round(outcome.elapsed_s, 3),
    }


def fetched_status(fetched: DownloadOutcome) -> str:
    """Return the status of a download, as JSON has it."""
    if fetched.error is not None:
        return "failed"
    return "skipped" if fetched.skipped else "fetched"


def fetched_bytes(fetched: DownloadOutcome) -> int:
    """Return how many bytes this run downloaded."""
    return fetched.size_bytes if fetched_status(fetched) == "fetched" else 0


def fetched_fields(fetched: DownloadOutcome, part: PartName) -> Mapping[str, object]:
    """Return a download for JSON."""
    return {
        "status": fetched_status(fetched),
        "audio_id": fetched.audio_id,
        "part": part,
        "path": fetched.path,
        "size_bytes": fetched.size_bytes,
        "warnings": fetched.warnings,
        "error": sentence(fetched.error) if fetched.error else None,
        "elapsed_s": round(fetched.elapsed_s, 3),
    }


def plan_line(plan: Planned) -> str:
    """Return what would happen to an item, as a line."""
    if plan.error is not None:
        return f"reject  {escape(located(place(plan.item), sentence(plan.error)))}"
    path = escape(plan.item.audio_place)
    if plan.status not in ("stored", "failed") and plan.reason != "superseded":
        was = plan.matched.source_path if plan.matched else None
        kind = "skipped" if plan.skipped else plan.reason
        return _NOT_STORED[kind].format(
            path=path, id=plan.audio_id or "a file before it", old=escape(was or "elsewhere")
        )
    given = plan.item.remote_thumbnail or plan.item.thumbnail
    cover = given.name if given else ""
    words = [path, _COVERS[plan.cover].format(escape(cover))]
    tags = {**plan.tags, **plan.item.metadata}
    words += [f"{key}={escape(repr(tags[key]))}" for key in _TAGS if key in tags]
    if plan.reason in _WHY:
        words.append(_WHY[plan.reason])
    if plan.audio_id:
        words.append(f"as {plan.audio_id}")
    if plan.reason == "superseded" and plan.matched:
        words.append(f"superseding {plan.matched.audio_id}")
    return f"store   {', '.join(words)}"


def print_failure(where: str, error: Exception, *, debug: bool) -> None:
    """Print why something failed; with --debug, the traceback too."""
    report(error, where=where, debug=debug)


def print_problem(manifest: str, problem: ManifestProblem) -> None:
    """Print a problem of a manifest."""
    kind = "warning" if problem.is_warning else "error"
    say(kind, f"{manifest}, {problem.unit} {problem.line}: {problem.message}")


class Warnings:
    """Prints each kind of warning a few times, and at the end how many more there were."""

    def __init__(self) -> None:
        """Print nothing yet."""
        self._by_text: Counter[str] = Counter()

    def print(self, item: BulkItem, warnings: Sequence[str]) -> None:
        """Print the warnings on an item, unless there were enough of their kind."""
        self.print_at(place(item), [_without_name(warning, item) for warning in warnings])

    def print_at(self, where: str, warnings: Sequence[str]) -> None:
        """Print the warnings on a file, unless there were enough of their kind."""
        for warning in warnings:
            text = as_typed(warning)
            self._by_text[text] += 1
            if self._by_text[text] <= _ALIKE_PRINTED:
                say("warning", f"{where}: {text}")

    def print_rest(self) -> None:
        """Print how many warnings were left out."""
        for text, count in self._by_text.items():
            if count > _ALIKE_PRINTED:
                say("warning", f"{counted(count - _ALIKE_PRINTED, 'more file')}: {text}")


def _without_name(warning: str, item: BulkItem) -> str:
    for path in (item.audio, item.thumbnail):
        if path is not None:
            warning = warning.removeprefix(f"{path.name!r}: ")
    return warning


class Count:
    """Counts items by status."""

    def __init__(
        self, words: Mapping[str, str], *, as_json: bool = False, lists_all: bool = False
    ) -> None:
        """Count nothing yet.

        Args:
            words: the text for each status, in this order: "{} stored".
            as_json: print what is left out and may be missed as JSON, too.
            lists_all: print all of it, not a few of each kind.
        """
        self._words = words
        self._as_json = as_json
        self._lists_all = lists_all
        self._named: Counter[str] = Counter()
        self.left_out_audio = 0
        """How many files that are audio are not stored, as their formats are not supported."""
        self._by_status: Counter[str] = Counter()
        self._size_bytes = 0
        self._by_artwork: Counter[bool | None] = Counter()
        self._left_out: Counter[str] = Counter()
        self._unread = 0

    @property
    def total(self) -> int:
        """How many items there were."""
        return self._by_status.total()

    @property
    def failed(self) -> int:
        """How many of them failed, and folders that could not be read."""
        return self._by_status["failed"] + self._unread

    def of(self, status: str) -> int:
        """Return how many items have that status."""
        return self._by_status[status]

    def add(self, status: str, size_bytes: int = 0, *, has_artwork: bool | None = None) -> None:
        """Count an item."""
        self._by_status[status] += 1
        self._size_bytes += size_bytes
        self._by_artwork[has_artwork] += 1

    def leave_out(self, ignored: IgnoredPath) -> None:
        """Count what is not an item; print the error if it is a folder that cannot be read."""
        if ignored.error is not None:
            self._unread += 1
            report(ignored.error)
            return
        self._left_out[ignored.reason] += 1
        self.left_out_audio += ignored.is_audio
        if ignored.content is None:
            explain_step(f"ignored {str(ignored.path)!r}: {ignored.reason}")
        else:
            self._name(ignored, as_typed(ignored.content))

    def summary(self, elapsed_s: float | None = None) -> str:
        """Return in one sentence how many of each, how much, and in what time."""
        parts = [
            text.format(f"{self._by_status[status]:,}")
            for status, text in self._words.items()
            if self._by_status[status]
        ]
        if self._unread:
            parts.append(f"{counted(self._unread, 'folder')} could not be read")
        size = human_size(self._size_bytes)
        if self._size_bytes and elapsed_s is not None:
            rate = human_size(self._size_bytes / max(elapsed_s, 1e-3))
            size = f"{size} in {human_time(elapsed_s)}, {rate}/s"
        if self._size_bytes:
            parts[0] += f" ({size})"
        return (", ".join(parts) or "nothing was done") + self._without_artwork()

    def _without_artwork(self) -> str:
        without, known = self._by_artwork[False], self._by_artwork[False] + self._by_artwork[True]
        return f"; {without:,} of {known:,} without artwork" if without else ""

    def print_left_out(self) -> None:
        """Print what else was found."""
        for kind, count in self._named.items():
            if count > _ALIKE_PRINTED and not self._lists_all:
                say("note", f"left out: {kind} ({count - _ALIKE_PRINTED:,} more)")
        if self.left_out_audio:
            say(
                "note",
                f"left out: {counted(self.left_out_audio, 'audio file')}; to leave such files "
                "out on purpose, exclude them: --exclude '*.wv'",
            )
        if self._left_out:
            say("note", f"ignored: {', '.join(self._kinds())}")

    def _name(self, ignored: IgnoredPath, content: str) -> None:
        """Print what may be missed."""
        self._named[ignored.reason] += 1
        if self._as_json:
            print_json(
                {
                    "status": "left out",
                    "audio": ignored.path,
                    "storable": False,
                    "reason": content,
                    "is_audio": ignored.is_audio,
                }
            )
        if self._lists_all or self._named[ignored.reason] <= _ALIKE_PRINTED:
            kind = "warning" if ignored.is_audio else "note"
            say(kind, f"left out: {ignored.path}: {content}")

    def _kinds(self) -> Iterator[str]:
        ranked = self._left_out.most_common()
        for kind, count in ranked[:_KINDS_PRINTED]:
            yield f"{kind} ({count:,})"
        rest = sum(count for _, count in ranked[_KINDS_PRINTED:])
        if rest:
            yield f"others ({rest:,})"
