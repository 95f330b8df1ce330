"""Print the progress of a run."""

from __future__ import annotations

from audiostore.cli import hints
from audiostore.cli.declare import JsonOptions, StoreOptions, argument
from audiostore.cli.output import note, print_json
from audiostore.cli.parts import WITHOUT_FILES

EXAMPLE = "audiostore fleet status nov"


class Options(StoreOptions, JsonOptions):
    """Options of `fleet status`."""

    name: str = argument("RUN", "name of the run")


def run(options: Options) -> int:
    """Print how many chunks have results, and how many files are stored, or failed."""
    from audiostore import fleet  # noqa: PLC0415  (not for --help)
    from audiostore.cli.store import opened  # noqa: PLC0415

    with opened(options) as manager:
        status = fleet.status(manager, options.name)
    left = status.items - status.stored - status.failed
    if options.json:
        print_json(
            {
                "run": status.run,
                "kind": status.kind,
                "is_done": status.is_done,
                "items": status.items,
                "stored": status.stored,
                "failed": status.failed,
                "left": left,
                "chunks": status.chunks,
                "chunks_done": status.chunks_done,
                "chunks_begun": status.chunks_begun,
                "errors": status.errors,
            }
        )
        return 0
    is_of_files = status.kind not in WITHOUT_FILES
    what, done = ("files ", "stored") if is_of_files else ("parts ", "done")
    print(
        f"{what}  {status.items:,}: {status.stored:,} {done}, {status.failed:,} failed, "
        f"{left:,} left"
    )
    untouched = status.chunks - status.chunks_done - status.chunks_begun
    print(
        f"chunks  {status.chunks:,}: {status.chunks_done:,} done, {status.chunks_begun:,} begun, "
        f"{untouched:,} not begun"
    )
    for kind, count in status.errors.items():
        print(f"failed  {count:,} with {kind}")
    if status.failed:
        why = hints.command("fleet", "results", status.run, "--failed")
        again = hints.command("fleet", "retry", status.run)
        note(f"{why} says why, {again} lets workers try these files again")
    return 0
