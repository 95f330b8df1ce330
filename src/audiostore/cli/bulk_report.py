"""What is said of many assets: a line for each, and a summary at the end."""

from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from audiostore.bulk import BulkItem, Fetched, LeftOut, Outcome, Planned, Problem
from audiostore.cli.bulk_progress import human_time
from audiostore.cli.failures import print_traceback, sentence
from audiostore.cli.output import escape, human_size, say

_KINDS_TOLD = 6
_ALIKE_TOLD = 3
_COVERS = {
    "given": "with {}",
    "same stem": "with {}",
    "folder image": "with {}, the folder's cover",
    "embedded": "with the artwork inside it",
    "none": "without artwork",
}

UPLOADED = {
    "stored": "{} stored",
    "stored before": "{} stored by an earlier run, as the journal says",
    "skipped": "{} skipped, being in the store already",
    "failed": "{} failed",
}
FETCHED = {"fetched": "{} fetched", "skipped": "{} there already", "failed": "{} failed"}
PLANNED = {"storable": "{} would be stored", "failed": "{} would be refused"}


def place(item: BulkItem) -> str:
    """Say which item is meant: where it was asked for, and its file."""
    return f"{item.origin}: {item.audio}" if item.origin else str(item.audio)


def outcome_status(outcome: Outcome) -> str:
    """Return what became of an item, in a word that stays the same: for JSON."""
    if outcome.error is not None:
        return "failed"
    if outcome.done_before:
        return "stored before"
    return "skipped" if outcome.skipped else "stored"


def outcome_fields(outcome: Outcome) -> Mapping[str, object]:
    """Return an outcome as JSON types."""
    result, item = outcome.result, outcome.item
    return {
        "status": outcome_status(outcome),
        "audio": str(item.audio),
        "thumbnail": str(item.thumbnail) if item.thumbnail else None,
        "origin": item.origin or None,
        "audio_id": outcome.audio_id,
        "audio_path": result.audio_path if result else None,
        "thumbnail_path": result.thumbnail_path if result else None,
        "size_bytes": outcome.size_bytes if result else None,
        "created": result.created if result else None,
        "warnings": list(result.warnings) if result else [],
        "error": sentence(outcome.error) if outcome.error else None,
        "elapsed_s": round(outcome.elapsed_s, 3),
    }


def fetched_status(fetched: Fetched) -> str:
    """Return what became of a download, in a word that stays the same: for JSON."""
    if fetched.error is not None:
        return "failed"
    return "skipped" if fetched.skipped else "fetched"


def fetched_bytes(fetched: Fetched) -> int:
    """Return how much has come by this run."""
    return fetched.size_bytes if fetched_status(fetched) == "fetched" else 0


def fetched_fields(fetched: Fetched) -> Mapping[str, object]:
    """Return what became of a download as JSON types."""
    return {
        "status": fetched_status(fetched),
        "audio_id": fetched.audio_id,
        "path": str(fetched.path) if fetched.path else None,
        "size_bytes": fetched.size_bytes,
        "error": sentence(fetched.error) if fetched.error else None,
        "elapsed_s": round(fetched.elapsed_s, 3),
    }


def plan_line(plan: Planned) -> str:
    """Return what would become of an item."""
    if plan.error is not None:
        return f"refuse  {escape(place(plan.item))}: {escape(sentence(plan.error))}"
    cover = plan.item.thumbnail.name if plan.item.thumbnail else ""
    words = [escape(str(plan.item.audio)), _COVERS[plan.cover].format(escape(cover))]
    if plan.item.audio_id:
        words.append(f"as {plan.item.audio_id}")
    return f"store   {', '.join(words)}"


def tell_failure(options: Namespace, where: str, error: Exception) -> None:
    """Tell why something failed; all of it with --debug."""
    if options.debug:
        print_traceback(error)
    say("error", f"{where}: {sentence(error)}")


def tell_problem(manifest: str, problem: Problem) -> None:
    """Tell of something about a manifest."""
    kind = "warning" if problem.is_warning else "error"
    say(kind, f"{manifest}, line {problem.line}: {problem.message}")


class Warnings:
    """Tells of each kind of warning a few times, and how many more there were at the end."""

    def __init__(self) -> None:
        """Tell nothing yet."""
        self._by_text: Counter[str] = Counter()

    def tell(self, item: BulkItem, warnings: Sequence[str]) -> None:
        """Tell of what is to be said of one item, unless enough was said of that."""
        for warning in warnings:
            text = _without_name(warning, item)
            self._by_text[text] += 1
            if self._by_text[text] <= _ALIKE_TOLD:
                say("warning", f"{place(item)}: {text}")

    def tell_rest(self) -> None:
        """Count what was not told."""
        for text, count in self._by_text.items():
            if count > _ALIKE_TOLD:
                files = "file" if count == _ALIKE_TOLD + 1 else "files"
                say("warning", f"{count - _ALIKE_TOLD:,} more {files}: {text}")


def _without_name(warning: str, item: BulkItem) -> str:
    for path in (item.audio, item.thumbnail):
        if path is not None:
            warning = warning.removeprefix(f"{path.name!r}: ")
    return warning


class Count:
    """Keeps count of what became of items."""

    def __init__(self, words: Mapping[str, str]) -> None:
        """Count nothing yet.

        Args:
            words: what to say for each status, in this order: "{} stored".
        """
        self._words = words
        self._by_status: Counter[str] = Counter()
        self._size_bytes = 0
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

    def add(self, status: str, size_bytes: int = 0) -> None:
        """Count an item."""
        self._by_status[status] += 1
        self._size_bytes += size_bytes

    def leave_out(self, left: LeftOut) -> None:
        """Count what is no item; tell of it if it might have held some."""
        if left.error is not None:
            self._unread += 1
            say("error", sentence(left.error))
        else:
            self._left_out[left.kind] += 1

    def summary(self, elapsed_s: float | None = None) -> str:
        """Say in one sentence how many of each, how much, and in how long."""
        parts = [
            text.format(f"{self._by_status[status]:,}")
            for status, text in self._words.items()
            if self._by_status[status]
        ]
        if self._unread:
            folders = "folder" if self._unread == 1 else "folders"
            parts.append(f"{self._unread:,} {folders} could not be read")
        size = human_size(self._size_bytes)
        if self._size_bytes and elapsed_s is not None:
            rate = human_size(self._size_bytes / max(elapsed_s, 1e-3))
            size = f"{size} in {human_time(elapsed_s)}, {rate}/s"
        if self._size_bytes:
            parts[0] += f" ({size})"
        return ", ".join(parts) or "nothing was done"

    def tell_left_out(self) -> None:
        """Say what was found beside the items."""
        if self._left_out:
            say("note", f"left out: {', '.join(self._kinds())}")

    def _kinds(self) -> Iterator[str]:
        ranked = self._left_out.most_common()
        for kind, count in ranked[:_KINDS_TOLD]:
            yield f"{kind} ({count:,})"
        rest = sum(count for _, count in ranked[_KINDS_TOLD:])
        if rest:
            yield f"others ({rest:,})"
