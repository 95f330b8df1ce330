"""The lines of a manifest that is text: UTF-8, with or without a byte order mark."""

import codecs
from collections.abc import Iterator
from typing import BinaryIO

from audiostore.bulk.sources.rows import ManifestProblem, ManifestProblemListener

_MAX_LINE_BYTES = 1 << 20
"""A hundred times what an object's metadata may hold."""
_NOT_TEXT = {
    codecs.BOM_UTF16_LE: "UTF-16: save the manifest as UTF-8",  # and UTF-32, which begins with it
    codecs.BOM_UTF16_BE: "UTF-16: save the manifest as UTF-8",
    b"\x1f\x8b": "compressed: decompress the manifest",
    b"\x28\xb5\x2f\xfd": "compressed: decompress the manifest",
    b"PK\x03\x04": "of a spreadsheet or a ZIP archive: save the manifest as CSV in UTF-8",
}


class Lines:
    """The lines of a file as text."""

    def __init__(self, stream: BinaryIO, on_problem: ManifestProblemListener) -> None:
        self._stream = stream
        self._on_problem = on_problem
        self.number = 0
        """Of the line read last."""
        self.bad = 0
        """Of the last line that is not valid text; reported already."""

    def __iter__(self) -> Iterator[str]:
        while line := self._stream.readline(_MAX_LINE_BYTES + 1):
            self.number += 1
            if len(line) > _MAX_LINE_BYTES:
                self._wrong(f"is longer than {_MAX_LINE_BYTES:,} bytes: this is not a manifest")
                return
            if self.number == 1:
                for magic, what in _NOT_TEXT.items():
                    if line.startswith(magic):
                        self._wrong(f"is {what}")
                        return
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                yield line.decode()
            except UnicodeDecodeError as error:
                self._wrong(
                    f"is not UTF-8 (byte 0x{line[error.start]:02x} at {error.start + 1}): "
                    "save the manifest as UTF-8"
                )
                yield line.decode("utf-8", "replace")

    def _wrong(self, what: str) -> None:
        self.bad = self.number
        self._on_problem(ManifestProblem(self.number, f"the line {what}"))
