"""How `list` prints assets: as a table, as TSV, CSV or JSON, or by a template."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from audiostore.catalog import COLUMNS, write_csv
from audiostore.cli.failures import UsageError
from audiostore.cli.fields import as_text, getter
from audiostore.cli.output import escape, is_terminal, print_json
from audiostore.cli.stdout import binary_output
from audiostore.cli.table import Table
from audiostore.templates import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from audiostore import StorageResult
    from audiostore.catalog import Value

    Printer = Callable[[Iterable[StorageResult]], None]

_FOR_PEOPLE = ("id", "label", "artist", "album", "duration")
_FOR_PROGRAMS = ("id", "title", "artist", "album", "duration", "name")
_ESCAPES = {r"\t": "\t", r"\n": "\n", r"\\": "\\"}


def printer(form: str | None, columns: str | None, *, as_json: bool) -> Printer:
    """Return what prints assets, as they come.

    Args:
        form: "table", "tsv", "csv", "json", or a template; None: a table on a terminal, else TSV.
        columns: their names, between commas; None: those that suit the form.
        as_json: whether JSON is asked for.

    Raises:
        UsageError: no such form or column, or two forms at once.
    """
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form!r} exclude each other")
    if as_json:
        form = "json"
    elif form is None:
        form = "table" if is_terminal(sys.stdout) else "tsv"
    if "{" in form:
        if columns is not None:
            raise UsageError("--columns and a template exclude each other: it names its fields")
        return _Filled(form).print
    names = None if columns is None else tuple(name.strip() for name in columns.split(","))
    match form:
        case "json":
            return _print_objects if names is None else _Rows(names).print_json
        case "csv":
            return _Rows(names or tuple(COLUMNS)).print_csv
        case "tsv":
            return _Rows(names or _FOR_PROGRAMS).print_tsv
        case "table":
            return _Rows(names or _FOR_PEOPLE).print_table
    raise UsageError(
        f"unknown format {form!r}: choose from table, tsv, csv and json, or give a template "
        r"such as '{id}\t{title}'"
    )


def _print_objects(assets: Iterable[StorageResult]) -> None:
    for asset in assets:
        print_json(asset)


class _Rows:
    """Prints some fields of each asset."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._getters = [getter(name) for name in names]

    def print_json(self, assets: Iterable[StorageResult]) -> None:
        for row in self._rows(assets):
            print_json(dict(zip(self._names, row, strict=True)))

    def print_csv(self, assets: Iterable[StorageResult]) -> None:
        with binary_output() as stream:
            write_csv(self._names, self._rows(assets), stream)

    def print_tsv(self, assets: Iterable[StorageResult]) -> None:
        _print_lines(
            "\t".join([escape(as_text(value)) for value in row]) for row in self._rows(assets)
        )

    def print_table(self, assets: Iterable[StorageResult]) -> None:
        _print_lines(self._table(assets))

    def _table(self, assets: Iterable[StorageResult]) -> Iterator[str]:
        table = Table(self._names)
        for number, row in enumerate(self._rows(assets)):
            cells = [table.shown(n, as_text(v)) for n, v in zip(self._names, row, strict=True)]
            if number == 0:
                yield table.heading(cells)
            yield table.line(cells)

    def _rows(self, assets: Iterable[StorageResult]) -> Iterator[list[Value]]:
        getters = self._getters
        for asset in assets:
            if (audio := asset.audio) is not None:
                yield [get(asset, audio) for get in getters]


class _Filled:
    """Prints a template, filled with the fields of each asset."""

    def __init__(self, text: str) -> None:
        whole = re.sub(r"\\[tn\\]", lambda found: _ESCAPES[found[0]], text)
        try:
            self._template = Template.parse(whole)
        except ValueError as error:
            raise UsageError(f"--format: {error}") from error
        self._getters = {field.name: getter(field.name) for field in self._template.fields}

    def print(self, assets: Iterable[StorageResult]) -> None:
        _print_lines(self._line(asset) for asset in assets)

    def _line(self, asset: StorageResult) -> str:
        audio = asset.audio
        if audio is None:
            return asset.audio_id
        return self._template.fill(lambda name: escape(as_text(self._getters[name](asset, audio))))


def _print_lines(lines: Iterable[str]) -> None:
    """Print lines whose values are escaped: what stands between those is ours."""
    write = getattr(sys.stdout, "write_unguarded", sys.stdout.write)
    for number, line in enumerate(lines):
        write(f"{line}\n")
        if number == 0:
            sys.stdout.flush()  # there is something to see, however slow the store is
