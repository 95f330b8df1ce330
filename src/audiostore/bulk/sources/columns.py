"""Which column of a manifest is what: by its name, by the caller's word, or by the tool it is from.

Hugging Face `datasets` names files in ``file_name`` (audiofolder: metadata.csv, .jsonl, .parquet);
NeMo in ``audio_filepath``, once ``audio_filename``; Common Voice in ``path``, below ``clips``.
"""

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from audiostore.asset import check_custom_metadata
from audiostore.dataclass import dataclass, field
from audiostore.errors import InvalidMetadataError, shown
from audiostore.sourcepaths import is_url

AUDIO, THUMBNAIL, ID, SUPERSEDES = "audio", "thumbnail", "id", "supersedes"
COLUMNS = (AUDIO, THUMBNAIL, ID, SUPERSEDES)
"""The columns that are not metadata."""
_NEMO = ("audio_filepath", "audio_filename")
_AUDIO_NAMES = (*_NEMO, "file_name")
"""Where there is no column `audio`, the first of these is it."""
_COMMON_VOICE = frozenset({"client_id", "path", "sentence"})
_CLIPS = "clips"
_IN_ANY_CASE = frozenset({*COLUMNS, "title", "artist", "album", *_AUDIO_NAMES})


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What the caller says of the columns.

    Args:
        columns: by column or key of the metadata, the name that the manifest has for it.
        ignored: names of columns that are left out.
    """

    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    ignored: frozenset[str] = frozenset()

    @classmethod
    def of(cls, columns: Mapping[str, str] | None, ignored: Collection[str]) -> "ColumnNames":
        """Check them.

        Raises:
            InvalidMetadataError: a column is to be metadata under a key that is not valid.
        """
        check_custom_metadata(dict.fromkeys(_metadata_keys(columns or {}), ""))
        return cls(dict(columns or {}), frozenset(ignored))

    def missing_in(self, names: Collection[str]) -> list[str]:
        """Return which names that the caller uses are not among these."""
        return [name for name in self.columns.values() if name not in names]

    def header(self, names: Sequence[str], directory: Path, *, noun: str = "column") -> "Header":
        """Return what each name is for.

        Args:
            names: of the columns, in order.
            directory: where the manifest is: Common Voice has its clips in a folder there.
            noun: what a name is called in messages.
        """
        targets: dict[str, list[str]] = {}
        for target, name in self.columns.items():
            targets.setdefault(name, []).append(target)
        fields = [
            (target, position)
            for position, name in enumerate(names)
            if name not in self.ignored
            for target in targets.get(name) or [_known(name)]
        ]
        folder = None
        if not any(target == AUDIO for target, _ in fields):
            present = {target for target, _ in fields}
            source = next((name for name in _AUDIO_NAMES if name in present), None)
            if source is None and present >= _COMMON_VOICE:
                source = "path"
                folder = _CLIPS if (directory / _CLIPS).is_dir() else None
            fields = [(AUDIO if target == source else target, at) for target, at in fields]
        audio_at = next((at for target, at in fields if target == AUDIO), None)
        offset_at = None
        if audio_at is not None and _known(names[audio_at]) in _NEMO:
            offset_at = next((at for target, at in fields if target == "offset"), None)
        problems = _problems(names, fields, noun)
        return Header(problems, fields, audio_at is not None, folder, offset_at)


@dataclass(frozen=True, slots=True)
class Header:
    """What is in which column."""

    problems: Sequence[str]
    fields: Sequence[tuple[str, int]]
    """Our names and keys of the metadata, each with the position of its column, from 0."""
    has_audio: bool
    """Whether a column names the audio files."""
    _folder: str | None
    """Of the audio files, below the manifest's."""
    _offset_at: int | None

    def take(self, values: Sequence[str | None]) -> dict[str, str]:
        """Return the fields of a row, without those that are empty.

        Raises:
            ValueError: the row is for a part of a file.
        """
        taken = {key: value for key, at in self.fields if (value := values[at])}
        if self._offset_at is not None and not _is_zero(offset := values[self._offset_at] or "0"):
            raise ValueError(
                f"offset is {shown(offset)}: the row is for a part of a file, and only whole files "
                "are stored: cut it into files first"
            )
        audio = taken.get(AUDIO)
        if self._folder and audio and not is_url(audio):
            taken[AUDIO] = os.path.join(self._folder, audio)  # noqa: PTH118  (keeps absolute paths)
        return taken


def is_common_voice(names: Iterable[str]) -> bool:
    """Say whether these columns are those of Common Voice, whose tables quote nothing."""
    return set(names) >= _COMMON_VOICE


def _known(name: str) -> str:
    return name.lower() if name.lower() in _IN_ANY_CASE else name


def _is_zero(text: str) -> bool:
    try:
        return float(text) == 0
    except ValueError:
        return False


def _metadata_keys(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if key not in COLUMNS]


def _problems(names: Sequence[str], fields: Sequence[tuple[str, int]], noun: str) -> list[str]:
    problems = []
    sources: dict[str, list[str]] = {}
    for target, at in fields:
        sources.setdefault(target, []).append(names[at])
    for target, named in sources.items():
        if not target and noun == "column":
            problems += [
                f"column {at + 1} of the header has no name" for key, at in fields if not key
            ]
        elif len(named) > 1 and len(set(named)) == 1:
            problems.append(f"the {noun} {shown(named[0])} occurs {len(named)} times")
        elif len(named) > 1:
            problems.append(f"{' and '.join(map(shown, named))} are both for {shown(target)}")
        elif wrong := _wrong_keys([target]):
            problems += wrong
    return problems or _wrong_keys(sources)


def _wrong_keys(keys: Iterable[str]) -> list[str]:
    try:
        check_custom_metadata(dict.fromkeys(_metadata_keys(keys), ""))
    except InvalidMetadataError as error:
        return [str(error)]
    return []
