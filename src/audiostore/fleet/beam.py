"""Chunks as elements of an Apache Beam pipeline, on Dataflow or any other runner.

::

    import apache_beam as beam
    from audiostore.fleet.beam import StoreRun

    with beam.Pipeline(options=options) as pipeline:
        pipeline | StoreRun("gs://my-bucket", "nov")

A runner tries a bundle of elements again when a worker dies or a chunk fails for now, and may run
it twice at once: nothing is stored twice. What became of each file is in the store: see
`fleet.results`.

It needs the extra `beam`, here and on the workers: ``pip install 'audiostore[beam]'``.
"""

from collections.abc import Iterator
from typing import Any

from audiostore.dataclass import replace
from audiostore.fleet.layout import chunk_states
from audiostore.fleet.planning import require_plan
from audiostore.fleet.processes import manager_of, work
from audiostore.fleet.values import FleetChunk

try:
    import apache_beam as beam  # pyright: ignore[reportMissingImports]
except ImportError as error:
    raise ImportError(
        "audiostore.fleet.beam needs Apache Beam: pip install 'audiostore[beam]'", name=error.name
    ) from error


class StoreChunks(beam.DoFn):  # type: ignore[misc]
    """Works on the chunks of a run whose numbers it gets; yields a `FleetChunk` for each.

    Its failures stay in the store: only their number is left, the difference of `items` and
    `stored`. What fails for now is raised, so that the runner tries the bundle again.
    """

    def __init__(
        self,
        url: str,
        run: str,
        *,
        concurrency: int | None = None,
        max_writes_per_s: float | None = None,
    ) -> None:
        """Say what to work on; nothing is opened before the first chunk.

        Args:
            url: of the store, as for `AudioStorageManager`.
            run: the name of the run.
            concurrency: most transfers at once, of a chunk.
            max_writes_per_s: most objects per second on average, of each chunk that is being worked
                on. Dataflow works on one in each thread of its workers.
        """
        super().__init__()
        self._url = url
        self._run = run
        self._options: dict[str, Any] = {
            "concurrency": concurrency,
            "max_writes_per_s": max_writes_per_s,
        }

    def process(self, number: int) -> Iterator[FleetChunk]:
        """Work on a chunk (see `audiostore.fleet.work`)."""
        yield replace(work(self._url, self._run, number, **self._options), failures=())


class StoreRun(beam.PTransform):  # type: ignore[misc]
    """Works on all chunks of a run that have no results when the pipeline is built.

    Applied to a pipeline, it returns a `FleetChunk` for each.
    """

    def __init__(self, url: str, run: str, **options: Any) -> None:
        """Say what to work on.

        Args:
            url: of the store, as for `AudioStorageManager`.
            run: the name of the run.
            options: as for `StoreChunks`.
        """
        super().__init__()
        self._url = url
        self._run = run
        self._options = options

    def expand(self, pipeline: Any) -> Any:
        """List the chunks, and spread them over the workers.

        Raises:
            RunNotFoundError: the run is not planned.
            AudioStoreError, OSError: the store cannot be read.
        """
        store = manager_of(self._url).store
        plan = require_plan(store, self._run)
        numbers = [
            state.number
            for state in chunk_states(store, self._run, plan.chunks)
            if state.attempt is not None
        ]
        return (
            pipeline
            | beam.Create(numbers)
            | beam.Reshuffle()  # else one worker takes them all
            | beam.ParDo(StoreChunks(self._url, self._run, **self._options))
        )
