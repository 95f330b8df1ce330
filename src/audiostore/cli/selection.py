"""The assets that a command works on: looked up once, counted before anything is changed."""

from __future__ import annotations

from itertools import islice

from audiostore.cli.failures import UsageError, report, sentence
from audiostore.cli.filters import query_of
from audiostore.cli.output import counted, say

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from audiostore import AudioStorageManager, StorageResult, TrashedAsset
    from audiostore.cli.choosing import SelectionOptions
    from audiostore.cli.progress.count import CountProgress

_PREVIEWED = 10


class Chosen:
    """An asset to work on."""

    __slots__ = ("asset", "audio_id", "trashed")

    def __init__(
        self,
        audio_id: str,
        asset: StorageResult | None = None,
        trashed: TrashedAsset | None = None,
    ) -> None:
        self.audio_id = audio_id
        self.asset = asset
        """As the listing had it; None: not looked up."""
        self.trashed = trashed
        """As the listing of the trash had it; None: not looked up."""


class Ids:
    """Ids in order: 16 bytes each."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // 16

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self._bytes), 16):
            digits = self._bytes[start : start + 16].hex()
            yield "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def add(self, audio_id: str) -> None:
        """Add one at the end."""
        self._bytes += bytes.fromhex(audio_id.replace("-", ""))


class Selection:
    """The assets that a command is to work on."""

    def __init__(
        self,
        options: SelectionOptions,
        manager: AudioStorageManager,
        progress: CountProgress | None = None,
        *,
        audio_ids: tuple[str, ...],
        in_trash: bool = False,
        resolve: Callable[[str], str] | None = None,
    ) -> None:
        """Look up what was typed; the listing of a store is read later.

        Args:
            options: those of the command.
            manager: of the store.
            progress: shows how much of a listing is read; None: other progress is shown.
            audio_ids: the IDs among the command's arguments.
            in_trash: look among the deleted assets.
            resolve: returns the id that begins with what was typed; None: as the place suggests.

        Raises:
            AssetNotFoundError: the only asset that was named does not exist.
            UsageError: an id is not valid, or ambiguous.
        """
        self.options = options
        self.manager = manager
        self.progress = progress
        self.unknown = 0
        """How many of the given ids belong to no asset; each has been reported."""
        self.is_single = len(audio_ids) == 1
        """Whether one asset was named, by its id."""
        self.is_implied = not audio_ids
        """Whether no id was typed: nobody may have looked at what is meant."""
        self._is_fixed = bool(audio_ids or options.from_file is not None)
        self._in_trash = in_trash
        self._resolve = resolve or (manager.trash.resolve if in_trash else self._live)
        self._ids = Ids()
        self._first: list[Chosen] = []
        if audio_ids:
            self._add(("", text) for text in audio_ids)
        elif options.from_file is not None:
            self._add(_read(options.from_file))

    def __len__(self) -> int:
        """Return how many there are, once that is fixed."""
        return len(self._ids)

    def __iter__(self) -> Iterator[Chosen]:
        return map(Chosen, self._ids) if self._is_fixed else self._found()

    @property
    def total(self) -> int | None:
        """How many there are; None: nobody has counted yet."""
        return len(self._ids) if self._is_fixed else None

    @property
    def these(self) -> str:
        """``this asset``, ``these 12 assets``, ``all 12 assets of gs://bucket``."""
        number = len(self)
        if self.options.all:
            deleted = "deleted " if self._in_trash else ""
            return f"all {number:,} {deleted}assets of {self.manager.url}"
        return "this asset" if number == 1 else f"these {counted(number, 'asset')}"

    @property
    def nothing(self) -> str:
        """Why there are none."""
        place = f"the trash of {self.manager.url}" if self._in_trash else self.manager.url
        if self.options.from_file is not None:
            return f"no IDs in {_shown(self.options.from_file)}"
        if self.options.all:
            return f"{place} is empty" if self._in_trash else f"no assets in {place}"
        return f"no asset in {place} matches"

    def fix(self, visit: Callable[[StorageResult], None] | None = None) -> None:
        """Find all of them now, so that what is asked is what is done.

        Args:
            visit: called with each asset that exists, which may take a request.
        """
        if not self._is_fixed:
            for chosen in self._found():
                self._ids.add(chosen.audio_id)
                if len(self._first) < _PREVIEWED:
                    self._first.append(chosen)
                if visit is not None and chosen.asset is not None:
                    visit(chosen.asset)
            self._is_fixed = True
            if self.progress is not None:
                self.progress.clear()
        elif self.is_single and visit is not None:
            visit(self.asset(next(iter(self))))
        elif visit is not None:
            for outcome in self.manager.bulk.apply(self.asset, self):
                if outcome.result is not None:
                    visit(outcome.result)

    def first(self) -> list[Chosen]:
        """Return the first of them, to be shown."""
        return self._first or list(map(Chosen, islice(self._ids, _PREVIEWED)))

    def asset(self, chosen: Chosen) -> StorageResult:
        """Return an asset as it was listed, or as it is now.

        Raises:
            AssetNotFoundError: it does not exist.
        """
        return chosen.asset or self.manager.get(chosen.audio_id)

    def existing(self) -> Iterator[StorageResult]:
        """Yield the assets; report, and count as unknown, what does not exist."""
        from audiostore.errors import AssetNotFoundError  # noqa: PLC0415  (not for --help)

        is_empty = True
        for chosen in self:
            is_empty = False
            try:
                yield self.asset(chosen)
            except AssetNotFoundError as error:
                report(error)
                self.unknown += 1
        if is_empty and not self.unknown and not self.options.all:
            say("error", self.nothing)
            self.unknown += 1

    def _live(self, text: str) -> str:
        return self.manager.catalog.resolve(text)

    def _add(self, texts: Iterable[tuple[str, str]]) -> None:
        """Add the ids that texts mean, each once; report what belongs to no asset.

        Args:
            texts: what was typed or read, each with the place where it was read.

        Raises:
            UsageError: an id is not valid, or ambiguous.
        """
        from audiostore.asset import FilenameGenerator, id_prefix  # noqa: PLC0415  (not for --help)
        from audiostore.errors import (  # noqa: PLC0415
            AmbiguousAudioIdError,
            AssetNotFoundError,
            InvalidAudioIdError,
        )

        seen: set[str] = set()
        for where, text in texts:
            try:
                audio_id = id_prefix(text)
                if not FilenameGenerator.validate_uuid(audio_id):
                    audio_id = self._resolve(text)
            except AssetNotFoundError as error:
                if self.is_single:
                    raise
                report(error, where=where.removesuffix(": "))
                self.unknown += 1
                continue
            except (AmbiguousAudioIdError, InvalidAudioIdError) as error:
                raise UsageError(where + sentence(error)) from error
            if audio_id not in seen:
                seen.add(audio_id)
                self._ids.add(audio_id)

    def _found(self) -> Iterator[Chosen]:
        query = query_of(self.options)
        catalog = self.manager.catalog
        if self._in_trash:
            for trashed in catalog.find_deleted(query, on_progress=self.progress):
                yield Chosen(trashed.audio_id, trashed=trashed)
            return
        for asset in catalog.find(query, on_progress=self.progress):
            yield Chosen(asset.audio_id, asset)


def _read(name: str) -> Iterator[tuple[str, str]]:
    """Yield each ID in a file, with its place.

    Raises:
        UsageError: the file cannot be read.
    """
    import sys  # noqa: PLC0415  (only here)

    try:
        if name == "-":
            yield from _ids_in(sys.stdin, name)
            return
        with open(name, encoding="utf-8", errors="replace") as file:  # noqa: PTH123  (no pathlib)
            yield from _ids_in(file, name)
    except OSError as error:
        raise UsageError(f"cannot read {_shown(name)}: {error.strerror}") from error


def _ids_in(lines: Iterable[str], name: str) -> Iterator[tuple[str, str]]:
    """Yield the first word or cell of each line, or the ``audio_id`` of an object of JSON."""
    import json  # noqa: PLC0415  (only here)
    import re  # noqa: PLC0415

    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff")
        where = f"{_shown(name)}, line {number}: "
        if text.startswith("{"):
            try:
                audio_id = json.loads(text)["audio_id"]
            except (ValueError, KeyError, RecursionError) as error:
                raise UsageError(f"{where}not a JSON object with an audio_id") from error
            yield where, str(audio_id)
        elif text:
            word = re.split(r"[\s,]", text)[0].strip('"')
            if number > 1 or word.lower() not in ("id", "audio_id"):  # the heading of a table
                yield where, word


def _shown(name: str) -> str:
    return "standard input" if name == "-" else repr(name)
