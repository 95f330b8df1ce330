"""Analysing audio that is stored."""

import os
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO, Final

from audiostore.asset import Asset, Changes, MarkedParts, require_asset, result_of
from audiostore.dataclass import dataclass
from audiostore.errors import (
    AssetConflictError,
    BlobNotFoundError,
    InspectionLimitError,
    UnplayableAudioError,
)
from audiostore.ingest.analysing import analysis_of, has_analysis, waveform_of
from audiostore.ingest.options import PreviewChoice, require_preview
from audiostore.ingest.prepare import nameless_file
from audiostore.ingest.previews import lacks_preview, preview_of
from audiostore.media import PREVIEW_KBPS, AnalysedAudio, PreviewTarget, analyse_file
from audiostore.stores import Store, get_checked, require_checksum
from audiostore.values import BlobInfo, StorageResult

_RACES: Final = 5
_MOST_AT_ONCE: Final = 2 * (os.cpu_count() or 1)
"""Audio that is fetched and analysed: enough to keep all cores busy, without filling the disk."""


@dataclass(frozen=True, slots=True)
class AnalysisChoice:
    """What is to be found out about stored audio, and made of it.

    Raises:
        ValueError: an option is not valid.
    """

    true_peak: bool = False
    preview: PreviewChoice = False
    preview_kbps: int = PREVIEW_KBPS
    again: bool = False
    """Also what it has already."""

    def __post_init__(self) -> None:
        require_preview(self.preview, self.preview_kbps)

    def lacks(self, audio: BlobInfo, marked: Mapping[str, BlobInfo]) -> bool:
        """Say whether audio lacks anything of this.

        Args:
            audio: the audio object.
            marked: what is derived from it, by the names of parts.
        """
        return self.lacks_analysis(audio, marked) or self.lacks_preview(audio, marked)

    def lacks_analysis(self, audio: BlobInfo, marked: Mapping[str, BlobInfo]) -> bool:
        """Say whether audio is to be measured."""
        waveform = marked.get("waveform")
        return self.again or not has_analysis(audio, waveform, true_peak=self.true_peak)

    def lacks_preview(self, audio: BlobInfo, marked: Mapping[str, BlobInfo]) -> bool:
        """Say whether a preview of it is to be made."""
        return bool(self.preview) and lacks_preview(
            audio,
            None if self.again else marked.get("preview"),
            kbps=self.preview_kbps,
            is_for_all=self.preview == "all",
        )


class Analyses:
    """Analyses the audio of assets that are stored. Thread-safe.

    Args:
        store: where they are.
        marked: stores the waveforms.
        changes: changes the metadata.
    """

    def __init__(self, store: Store, marked: MarkedParts, changes: Changes) -> None:
        self._store = store
        self._marked = marked
        self._changes = changes
        self._slots = threading.BoundedSemaphore(_MOST_AT_ONCE)

    def run(self, audio_id: str, wanted: AnalysisChoice) -> StorageResult:
        """Analyse an asset (see the manager's `analyse`)."""
        for _ in range(_RACES):
            asset = require_asset(self._store, audio_id)
            if not wanted.lacks(asset.audio, asset.marked):
                return result_of(self._store, asset, created=False)
            require_checksum(self._store, asset.audio)
            with suppress(BlobNotFoundError), self._slots:  # moved or replaced: look again
                return self._analysed(asset, wanted)
        raise AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being replaced by other writers: try again "
            "later",
            audio_id=audio_id,
        )

    def _analysed(self, asset: Asset, wanted: AnalysisChoice) -> StorageResult:
        with ExitStack() as files:
            preview: BinaryIO | None = None
            if wanted.lacks_preview(asset.audio, asset.marked):
                preview = files.enter_context(nameless_file())
            found = self._measured(asset, wanted, preview)
            return self._store_found(asset, wanted, found, preview)

    def _store_found(
        self, asset: Asset, wanted: AnalysisChoice, found: AnalysedAudio, preview: BinaryIO | None
    ) -> StorageResult:
        audio_id, warnings = asset.audio_id, []
        if preview is not None and found.preview is not None:
            made = preview_of(Path(asset.audio.name), preview, found.preview)
            asset = self._marked.store(audio_id, made, of=asset.audio).asset
        elif preview is not None:
            warnings.append(f"it has no preview: {found.preview_problem}")
        if wanted.lacks_analysis(asset.audio, asset.marked):
            analysis = analysis_of(found)
            if analysis is None:
                raise UnplayableAudioError("its sound cannot be measured", audio_id=audio_id)
            # The figures come last: a reader that finds them finds the waveform, too, and so does a
            # second attempt, if this one is killed.
            self._marked.store(audio_id, waveform_of(found), of=asset.audio)
            asset = self._changes.set_analysis(audio_id, analysis, of=asset.audio)
        if found.damage:
            warnings.append(f"its sound {found.damage}; the rest of it was analysed")
        return result_of(self._store, asset, created=True, warnings=tuple(warnings))

    def _measured(
        self, asset: Asset, wanted: AnalysisChoice, preview: BinaryIO | None
    ) -> AnalysedAudio:
        target = PreviewTarget(preview.fileno(), wanted.preview_kbps) if preview else None
        with tempfile.TemporaryDirectory(prefix="audiostore-analyse-") as folder:
            path = Path(folder) / asset.audio.name.rpartition("/")[2]
            get_checked(self._store, asset.audio, path)
            try:
                return analyse_file(path, true_peak=wanted.true_peak, preview=target)
            except (InspectionLimitError, UnplayableAudioError) as error:
                uri = self._store.uri(asset.audio.name)
                raise type(error)(
                    f"cannot analyse {uri}: {error}", audio_id=asset.audio_id
                ) from error
