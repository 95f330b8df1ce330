"""The paths of downloaded files: below a directory, each once, and no longer than it can have."""

import os
import re
import tempfile
import unicodedata
from hashlib import blake2b
from pathlib import Path, PurePath, PurePosixPath

from audiostore.asset import PartName
from audiostore.bulk.naming import cut, shortened
from audiostore.dataclass import dataclass
from audiostore.errors import shown
from audiostore.values import StorageResult

_REFUSED_BY_SOME = re.compile(r'[\x00-\x1f<>:"|?*\\]|[. ]\Z')
"""What memory cards (exFAT, FAT) and Windows shares refuse in a name."""
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_HARD_NAMES = {'a:b?"c': _REFUSED_BY_SOME, "caf\udce9": _NOT_UTF8}
"""Names that some file systems refuse, and what else they refuse then."""
_PART_NAME_BYTES = 40
"""A file has a name of this length while it is written."""
_SHORTER_BYTES = (128, 64, 32)
"""For the parts of a path that is too long as a whole."""


class Targets:
    """Gives each file a path of its own in a directory; the same name and bytes share one.

    Memory holds about 200 bytes for each.
    """

    def __init__(self, root: Path) -> None:
        """Find out what the file system of a directory, which exists, does with names."""
        self._root = root
        self._max_name_bytes = os.pathconf(root, "PC_NAME_MAX")
        self._max_path_bytes = os.pathconf(root, "PC_PATH_MAX") - 1  # it counts the NUL
        self._rules = NameRules.of(root)
        self._taken: dict[bytes, bytes] = {}
        """By what identifies a path: what identifies the bytes."""

    def give(
        self, asset: StorageResult, name: str, part: PartName = "audio"
    ) -> tuple[Path, tuple[str, ...]]:
        """Return the path for an asset's file, and warnings if it is not the one asked for.

        Args:
            asset: the asset.
            name: the path that is asked for, below the directory.
            part: which part of the asset the file holds.

        Raises:
            ValueError: the name leads out of the directory.
        """
        wanted = PurePath(os.path.normpath(name))
        if wanted.is_absolute() or not wanted.parts or wanted.parts[0] == os.pardir:
            raise ValueError(
                f"cannot download asset {asset.audio_id} to {shown(name)}: it lies outside "
                f"{str(self._root)!r}; give it another name"
            )
        warnings = []
        possible = tuple(map(self._rules.allowed, wanted.parts))
        if possible != wanted.parts:
            warnings.append("the file system refuses characters of the name: they were replaced")
        path = self._fitting(possible)
        if path != self._root.joinpath(*possible):
            warnings.append("the name is too long for this file system: it was shortened")
        content = _digest(_content(asset, part))
        if not self._take(path, content):
            extension = PurePosixPath(path.name).suffix
            stem = path.name.removesuffix(extension)
            room = self._max_name_bytes - len(f"-{asset.audio_id}{extension}".encode())
            path = path.with_name(f"{cut(stem, room)}-{asset.audio_id}{extension}")
            self._take(path, content)
            warnings.append("another asset has this name: the id was added")
        return path, tuple(warnings)

    def _take(self, path: Path, content: bytes) -> bool:
        """Return whether a path was free, or has the same content; it is taken then."""
        key = _digest(os.fsencode(self._rules.folded(str(path))))
        return self._taken.setdefault(key, content) == content

    def _fitting(self, parts: tuple[str, ...]) -> Path:
        for limit in (self._max_name_bytes, *_SHORTER_BYTES):
            path = self._root.joinpath(*(shortened(part, limit) for part in parts))
            longest = max(len(os.fsencode(path.name)), _PART_NAME_BYTES)
            if len(os.fsencode(path.parent)) + 1 + longest <= self._max_path_bytes:
                return path
        return self._root / shortened(parts[-1], self._max_name_bytes)


def _content(asset: StorageResult, part: PartName) -> bytes:
    blob = asset.parts.get(part)
    if blob is None or blob.crc32c is None:
        return asset.audio_id.encode()
    return f"{blob.size_bytes} {blob.crc32c}".encode()


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class NameRules:
    """What a file system does with names."""

    folds_case: bool = False
    folds_form: bool = False
    """It stores "é" as one character or two, whatever it is given."""
    refused: tuple[re.Pattern[str], ...] = ()

    @classmethod
    def of(cls, folder: Path) -> "NameRules":
        """Find out by files that are made in a directory, and deleted again."""
        try:
            with tempfile.TemporaryDirectory(prefix=".audiostore-", dir=folder) as inner:
                Path(inner, "\u00e9").touch()
                return cls(
                    folds_case=os.path.lexists(Path(inner, "\u00c9")),
                    folds_form=os.path.lexists(Path(inner, "e\u0301")),
                    refused=tuple(
                        each
                        for name, each in _HARD_NAMES.items()
                        if not _can_be_made(Path(inner, name))
                    ),
                )
        except OSError:  # nothing can be written: whoever does, says it
            return cls()

    def folded(self, name: str) -> str:
        """Return texts that are equal for names that are the same."""
        text = unicodedata.normalize("NFC", name) if self.folds_form else name
        text = text.casefold() if self.folds_case else text
        return unicodedata.normalize("NFC", text) if self.folds_form else text

    def allowed(self, part: str) -> str:
        """Return a part of a path without the characters that are refused."""
        for refused in self.refused:
            part = refused.sub("_", part)
        return part


def _can_be_made(path: Path) -> bool:
    try:
        path.touch()
    except (OSError, UnicodeError):
        return False
    return True
