"""Stores small assets under new ids, many at once in one thread of a worker process.

While the objects of some are on their way, the files of the next are inspected. No thread waits,
and none hands over to another: that, not the work itself, is what most of the processor time went
into (docs/decisions/0037).

Everything goes right here, or nothing does. Where anything else than a new, verified object comes
back, the asset is left as if this process had been killed at that point, and a thread stores it
again from the start, with the same id: with retries, and a look at what is there.
"""

import math
import resource
import time
from collections.abc import Sequence

from audiostore import telemetry
from audiostore.asset import Draft, Steps
from audiostore.bulk.executors import Ended
from audiostore.bulk.items import UploadOutcome
from audiostore.bulk.performing import DecidedItem, Performer
from audiostore.errors import PreconditionFailedError
from audiostore.events import Progress
from audiostore.log import logger
from audiostore.stores import ConcurrentWrites, TransferListener, Written, has_content
from audiostore.values import BlobInfo

_SMALL_BYTES = 1 << 20
"""For more, threads are as fast: while one sends, others read."""
_REST_S = 1.0
"""After an error, threads work for so long: each of them knows how to wait."""
_SLOW_S = 0.005
_SLOW_WAITS = 4
"""Files are slow to read if inspecting those of an asset takes so long, and waits so often, as on a
network drive. On a busy machine it takes as long, but it waits for a processor alone."""
_STUCK_S = 1.0
"""So does a single file that takes so long: meanwhile nothing else goes on."""
_BROKEN_S = 0.05
_LOOK_EVERY = 32
_DOZE_S = 10.0
"""Threads work for so long where files are slow to read: one thread would wait for each in turn."""


class InterleavedUploads:
    """Runs the uploads of a performer (see `Interleaver`)."""

    def __init__(self, performer: Performer, writes: ConcurrentWrites) -> None:
        self._performer = performer
        self._writes = writes
        self._running: dict[int, _Upload] = {}
        self._ended: list[Ended[DecidedItem, UploadOutcome]] = []
        self._rests_until = 0.0
        self._is_broken = False
        self._inspected = 0
        self._waits = 0
        """How often inspecting so many has waited for something else than a processor."""
        self._took_s = 0.0

    @classmethod
    def of(cls, performer: Performer) -> "InterleavedUploads | None":
        """Return what runs the uploads of a performer; None if its store can only be waited for."""
        if telemetry.is_heard():
            return None  # spans that overlap in one thread have no parents
        writes = performer.manager.store.concurrent_writes()
        return None if writes is None else cls(performer, writes)

    def accepts(self, decided: DecidedItem) -> bool:
        """Say whether an item can be stored so."""
        most_bytes = min(_SMALL_BYTES, self._writes.max_bytes)
        is_small = decided.snapshot.size_bytes <= most_bytes
        return is_small and self._performer.can_interleave(decided)

    @property
    def active(self) -> int:
        """How many uploads have begun and not ended."""
        return len(self._running)

    @property
    def is_resting(self) -> bool:
        """Whether threads should work: something has just failed, or files are slow to read."""
        return time.monotonic() < self._rests_until

    def watch(self, descriptor: int) -> None:
        """Let `turn` return, too, when this can be read."""
        self._writes.watch(descriptor)

    def begin(self, number: int, decided: DecidedItem) -> None:
        """Inspect the files of an item, and send its first object."""
        upload = self._running[number] = _Upload(decided, self._performer.steps(decided))
        began, waits = time.monotonic(), _waits()
        self._go_on(number, upload, None)
        self._look(time.monotonic() - began, _waits() - waits)

    def turn(self, timeout_s: float) -> Sequence[Ended[DecidedItem, UploadOutcome]]:
        """Send what can be sent, and take what has come."""
        for number, result in self._turned(0.0 if self._ended else timeout_s):
            upload = self._running[number]
            if isinstance(result, BlobInfo) and has_content(result, upload.draft.source):
                self._go_on(number, upload, Written(result, created=True, is_sent=True))
            else:
                self._give_up(number, upload, result)
                self._note_failure(upload, result)
        ended, self._ended = self._ended, []
        return ended

    def _turned(self, timeout_s: float) -> Sequence[tuple[int, BlobInfo | Exception]]:
        if self._is_broken:
            time.sleep(min(timeout_s, _BROKEN_S))
            return ()
        try:
            return self._writes.turn(timeout_s)
        except Exception as error:  # noqa: BLE001  (a bug, or the system has no more of something)
            logger.exception("uploads can no longer be interleaved: threads do them")
            self._is_broken, self._rests_until = True, math.inf
            return [(number, error) for number in self._running]

    def _look(self, took_s: float, waits: int) -> None:
        """See whether threads should read the files."""
        self._inspected += 1
        self._took_s += took_s
        self._waits += waits
        is_stuck = waits > 0 and took_s > _STUCK_S
        if self._inspected == _LOOK_EVERY or is_stuck:
            is_slow = self._took_s > _LOOK_EVERY * _SLOW_S
            if is_stuck or (is_slow and self._waits > _LOOK_EVERY * _SLOW_WAITS):
                self._rest(_DOZE_S)
            self._inspected, self._took_s, self._waits = 0, 0.0, 0

    def _rest(self, seconds: float) -> None:
        self._rests_until = max(self._rests_until, time.monotonic() + seconds)

    def _go_on(self, number: int, upload: "_Upload", written: Written | None) -> None:
        """Take the next step of an upload."""
        try:
            draft = next(upload.steps) if written is None else upload.steps.send(written)
        except StopIteration as end:
            del self._running[number]
            self._ended.append(Ended(number, upload.decided, end.value))
            return
        except Exception as error:  # noqa: BLE001  (the thread meets it again, and reports it)
            self._give_up(number, upload, error)
            return
        upload.draft = draft
        try:
            self._writes.begin(number, draft.spec, draft.source, self._listener(draft))
        except Exception as error:  # noqa: BLE001  (the thread meets it again, or does not)
            self._give_up(number, upload, error)
            self._note_failure(upload, error)  # there may be no token

    def _give_up(self, number: int, upload: "_Upload", reason: object) -> None:
        """Leave an upload as it is: a thread will do it again."""
        upload.steps.close()
        del self._running[number]
        self._ended.append(Ended(number, upload.decided, None))
        logger.debug("item %d is left to a thread: %s", upload.decided.index, reason)

    def _note_failure(self, upload: "_Upload", result: BlobInfo | Exception) -> None:
        """Note that something else came back than a new, verified object."""
        if isinstance(result, BlobInfo):
            if result.crc32c is None:
                self._rests_until = math.inf  # no response of this bucket shows a checksum
        elif not isinstance(result, PreconditionFailedError):  # the id is not new after all
            self._rest(_REST_S)
            self._performer.manager._report_repeated(f"store {upload.decided.item.audio}", result)

    def _listener(self, draft: Draft) -> TransferListener | None:
        notify = self._performer.manager._notify
        if not notify.is_heard:
            return None
        return lambda transferred: notify(
            Progress(draft.spec.name, transferred.sent_bytes, draft.source.size_bytes)
        )


class _Upload:
    """An upload that has begun."""

    def __init__(self, decided: DecidedItem, steps: Steps[UploadOutcome]) -> None:
        self.decided = decided
        self.steps = steps
        self.draft: Draft
        """What is being written."""


def _waits() -> int:
    """Return how often this thread has waited for something else than a processor."""
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
