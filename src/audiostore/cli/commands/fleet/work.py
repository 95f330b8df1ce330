"""Do the work of a run, as one of several machines or with Dask.

Cloud Run jobs, Batch, Kubernetes and Slurm say in the environment which machine this is; elsewhere,
give --index and --count. A machine takes its own share of the chunks first, then any that nobody
else has finished. You can kill and restart it at any time: nothing is stored twice.

With --dask, the workers of a cluster take all chunks that are not done. 'local' starts a cluster on
this machine while the command runs, with one process per core.
"""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from audiostore.cli.commands.fleet._place import place_of
from audiostore.cli.declare import JsonOptions, StoreOptions, argument, option
from audiostore.cli.failures import INTERRUPTED, PARTLY_FAILED, UsageError
from audiostore.cli.output import counted, print_json, say
from audiostore.cli.values import duration, from_zero, positive, rate

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from audiostore import AudioStorageManager, FleetChunk, FleetResult

EXAMPLE = """\
audiostore fleet work nov --max-writes-per-s 1000
audiostore fleet work nov --index 3 --count 16
audiostore fleet work nov --dask tcp://scheduler:8786"""


class Options(StoreOptions, JsonOptions):
    """Options of `fleet work`."""

    name: str = argument("RUN", "name of the run")
    index: int | None = option(
        metavar="N",
        parse=from_zero,
        help="which worker this is, from 0 (default: from Cloud Run, Batch, Kubernetes or Slurm)",
    )
    count: int | None = option(
        metavar="N", parse=positive, help="how many workers there are (default: the same)"
    )
    dask: str | None = option(
        metavar="ADDRESS",
        help="work with a Dask cluster: the address of its scheduler, or 'local' to start one here",
    )
    takeover_after: float | None = option(
        metavar="DURATION",
        parse=duration,
        help="how long to wait before taking over a chunk that another worker has begun "
        "(default: 15m)",
    )
    concurrency: int | None = option(
        metavar="N", parse=positive, help="at most N uploads at once (default: adaptive)"
    )
    max_rate: float | None = option(
        metavar="RATE",
        parse=rate,
        help="limit of this worker in bytes per second: 500K, 50M, 1.5G",
    )
    max_writes_per_s: int | None = option(
        metavar="N",
        parse=positive,
        help="limit of objects written per second by all workers together",
    )


def run(options: Options) -> int:
    """Work until there is nothing left to do."""
    from audiostore.cli.progress.bulk import abandoning  # noqa: PLC0415  (not for --help)
    from audiostore.cli.store import opened  # noqa: PLC0415

    working = _on_dask if options.dask is not None else _as_one_of_many
    done = _Done()
    try:
        with opened(options) as manager, working(options, manager) as chunks, abandoning(chunks):
            while True:
                try:
                    chunk = next(chunks)
                except StopIteration as end:
                    left: int = end.value or 0
                    break
                done.add(chunk)
                _print(options, chunk)
    except KeyboardInterrupt:
        say("stopped", done.summary())
        say("interrupted", "run the same command again to resume; nothing is stored twice")
        return INTERRUPTED
    say("done", done.summary())
    if left:
        say(
            "note",
            f"{counted(left, 'chunk')} begun by other workers: if they have died, run the same "
            "command again later",
        )
    if done.unfinished:
        say("note", "run the same command again to store what failed for now")
    return PARTLY_FAILED if done.failed or done.unfinished else 0


@contextmanager
def _as_one_of_many(
    options: Options, manager: AudioStorageManager
) -> Iterator[Generator[FleetChunk, None, int]]:
    """Yield what this worker does."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)

    index, count = place_of(options.index, options.count, os.environ)
    yield fleet.work_share(
        manager,
        options.name,
        index=index,
        count=count,
        takeover_after_s=900.0 if options.takeover_after is None else options.takeover_after,
        concurrency=options.concurrency,
        max_rate_bytes_s=options.max_rate,
        max_writes_per_s=options.max_writes_per_s,
    )


@contextmanager
def _on_dask(
    options: Options, manager: AudioStorageManager
) -> Iterator[Generator[FleetChunk, None, None]]:
    """Yield what the workers of a cluster do."""
    import logging  # noqa: PLC0415  (not for --help)
    import warnings  # noqa: PLC0415

    from audiostore.fleet import dask  # noqa: PLC0415

    for name in ("index", "count", "takeover_after"):
        if getattr(options, name) is not None:
            raise UsageError(
                f"--dask and --{name.replace('_', '-')} exclude each other: Dask takes all chunks"
            )
    with ExitStack() as stack:
        if not options.debug:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")  # such as of other versions of packages unused here
        client = stack.enter_context(dask.cluster(options.dask or ""))
        if not options.debug:
            for name in ("distributed", "distributed.client"):  # what it logs is raised, too
                logging.getLogger(name).setLevel(logging.CRITICAL)
        if not client.nthreads():
            say("note", "the cluster has no workers yet: waiting for the first")
        yield dask.run(
            client,
            manager,
            options.name,
            concurrency=options.concurrency,
            max_rate_bytes_s=options.max_rate,
            max_writes_per_s=options.max_writes_per_s,
        )


def _place(failure: FleetResult) -> str:
    return f"{failure.origin}: {failure.audio}" if failure.origin else failure.audio


class _Done:
    def __init__(self) -> None:
        self.chunks = self.items = self.stored = self.failed = self.unfinished = 0

    def add(self, chunk: FleetChunk) -> None:
        self.chunks += 1
        self.items += chunk.items
        self.stored += chunk.stored
        self.failed += len(chunk.failures)
        self.unfinished += chunk.unfinished

    def summary(self) -> str:
        words = [f"{self.stored:,} of {self.items:,} in {counted(self.chunks, 'chunk')}"]
        if self.failed:
            words.append(f"{self.failed:,} failed")
        if self.unfinished:
            words.append(f"{self.unfinished:,} failed for now")
        return ", ".join(words)


def _print(options: Options, chunk: FleetChunk) -> None:
    from audiostore.cli.failures import as_typed, located, report  # noqa: PLC0415

    first, *rest = chunk.failures_for_now or (None,)
    if chunk.error is not None:
        where = f"chunk {chunk.number}" if first is None else _place(first)
        report(chunk.error, where=where, debug=options.debug)
    for failure in (*chunk.failures, *rest):
        text = located(_place(failure), as_typed(failure.error or ""))
        say("error", text, kind=failure.error_kind)
    if options.json:
        print_json(
            {
                "chunk": chunk.number,
                "items": chunk.items,
                "stored": chunk.stored,
                "failed": len(chunk.failures),
                "unfinished": chunk.unfinished,
            }
        )
    else:
        failed = f", {len(chunk.failures):,} failed" if chunk.failures else ""
        later = f", {chunk.unfinished:,} failed for now" if chunk.unfinished else ""
        print(f"chunk {chunk.number}: {chunk.stored:,} done{failed}{later}", flush=True)
