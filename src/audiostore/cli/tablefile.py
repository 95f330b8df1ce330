"""Options of commands that write a table into a file, for other programs."""

from __future__ import annotations

import sys
from posixpath import splitext

from audiostore.cli.declare import Declared, option
from audiostore.cli.failures import UsageError
from audiostore.cli.output import is_terminal

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from audiostore import ExportFormat


class TableFileOptions(Declared):
    """A command that writes a table into a file, or to standard output."""

    output: str = option(
        "-o",
        "--output",
        metavar="FILE",
        default="-",
        help="the file to write, replaced atomically if it exists; '-' for standard output "
        "(default: -)",
        files="any",
    )
    format: ExportFormat | None = option(
        choices=("jsonl", "csv", "parquet"),
        help="format of the table (default: from the extension of FILE, jsonl without); CSV is not "
        "escaped for spreadsheets: import all columns as text",
    )

    @property
    def to_stdout(self) -> bool:
        """Whether the table goes to standard output."""
        return self.output == "-"

    def table_format(self) -> ExportFormat:
        """Return the format to write.

        Raises:
            UsageError: it is binary, and would go to a terminal.
            ConfigurationError: what writes it is not installed.
        """
        from audiostore.catalog import format_for, require_writer  # noqa: PLC0415  (not for --help)

        chosen = self.format or format_for(self.output)
        if chosen is None and not self.to_stdout and splitext(self.output)[1]:
            raise UsageError(
                f"{self.output!r} has the extension of no table: give .jsonl, .csv or .parquet, or "
                "say which with --format"
            )
        chosen = chosen or "jsonl"
        if chosen == "parquet" and self.to_stdout and is_terminal(sys.stdout):
            raise UsageError("Parquet is binary, not for a terminal: name a file with -o FILE")
        require_writer(chosen)
        return chosen
