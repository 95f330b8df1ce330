"""Compare audiostore with independent judges: ``python -m tests.corpus DIR...``.

Prints what differs, by kind, each with the file, then a table. No file is changed. The judges
are FFmpeg with the demuxer that it chooses itself, which decodes everything; mutagen, for tags and
pictures; Pillow; and of what a file's own headers describe, FFmpeg's reading of them. They may be
wrong, too: read what is printed. Nothing confines them, so look only at files that you would play.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tests.corpus.differences import Report, report, without_figures


def main(arguments: list[str] | None = None) -> int:
    """Compare; 1 if something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.corpus", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="a folder, or a file")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--warnings", action="store_true", help="print warnings, too")
    options = parser.parse_args(arguments)
    reports = sorted(compare(files(options.folders), options.jobs), key=lambda each: each.path)
    for line in text(reports, warnings=options.warnings):
        print(line)
    return int(any(each.differences for each in reports))


def files(folders: Iterable[Path]) -> list[Path]:
    """Return all files in folders, in order."""
    found = (
        each
        for folder in folders
        for each in (folder.rglob("*") if folder.is_dir() else (folder,))
        if each.is_file()
    )
    return sorted(found)


def compare(paths: list[Path], jobs: int) -> Iterator[Report]:
    """Yield a report of each file, in any order; a judge that crashes is reported as well."""
    left = paths
    while left:
        crashed = []
        with ProcessPoolExecutor(jobs) as pool:
            for path, future in [(path, pool.submit(report, path)) for path in left]:
                try:
                    yield future.result()
                except BrokenProcessPool:
                    crashed.append(path)
                except Exception as error:  # noqa: BLE001 - of audiostore or a judge: a finding
                    yield _crashed(path, repr(error))
        if crashed and jobs == 1:  # one at a time and in order: the first one it was
            path, *crashed = crashed
            yield _crashed(path, "the process ended")
        left, jobs = crashed, 1


def _crashed(path: Path, how: str) -> Report:
    return Report(path, "crashed", differences=[("crash of audiostore or a judge", how)])


def text(reports: list[Report], *, warnings: bool = False) -> Iterator[str]:
    """Yield the differences as lines, by kind, then the table."""
    by_kind: defaultdict[str, list[str]] = defaultdict(list)
    for each in reports:
        for kind, detail in each.differences:
            by_kind[kind].append(f"  {each.path}: {detail}")
        for warning in each.warnings if warnings else ():
            by_kind[f"warning: {without_figures(warning)}"].append(f"  {each.path}: {warning}")
    for kind, lines in sorted(by_kind.items()):
        yield from (f"{kind} ({len(lines)})", *lines, "")
    yield "| Format | Files | Accepted | Described | Refused | Warned of | Files that differ |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    rows = defaultdict(list)
    for each in reports:
        rows[each.format_name or "not stored"].append(each)
    for name, rest in [*sorted(rows.items()), ("all", reports)]:
        figures = [
            len(rest),
            sum(not each.refused for each in rest),
            sum(each.is_described for each in rest),
            sum(bool(each.refused) for each in rest),
            sum(bool(each.warnings) for each in rest),
            sum(bool(each.differences) for each in rest),
        ]
        yield f"| {name} | {' | '.join(map(str, figures))} |"
    yield ""
    yield "| Kind | Differences |"
    yield "| --- | --- |"
    kinds = Counter(kind.partition(":")[0] for each in reports for kind, _ in each.differences)
    yield from (f"| {kind} | {count} |" for kind, count in sorted(kinds.items()))


if __name__ == "__main__":
    sys.exit(main())
