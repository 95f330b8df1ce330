"""Analysing audio that is stored."""

import os
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from audiostore.asset import Asset, Changes, MarkedParts, require_asset, result_of
from audiostore.errors import AssetConflictError, BlobNotFoundError, UnplayableAudioError
from audiostore.ingest.analysing import analysis_of, has_analysis, waveform_of
from audiostore.media import AnalysedAudio, analyse_file
from audiostore.stores import Store, get_checked, require_checksum
from audiostore.values import StorageResult

_RACES: Final = 5
_MOST_AT_ONCE: Final = 2 * (os.cpu_count() or 1)
"""Audio that is fetched and analysed: enough to keep all cores busy, without filling the disk."""


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

    def run(self, audio_id: str, *, true_peak: bool = False, again: bool = False) -> StorageResult:
        """Analyse an asset (see the manager's `analyse`)."""
        for _ in range(_RACES):
            asset = require_asset(self._store, audio_id)
            waveform = asset.marked.get("waveform")
            if not again and has_analysis(asset.audio, waveform, true_peak=true_peak):
                return result_of(self._store, asset, created=False)
            require_checksum(self._store, asset.audio)
            with suppress(BlobNotFoundError), self._slots:  # moved or replaced: look again
                found = self._measured(asset, true_peak=true_peak)
                return self._store_found(asset, found)
        raise AssetConflictError(
            f"asset {audio_id} in {self._store.url} is being replaced by other writers: try again "
            "later",
            audio_id=audio_id,
        )

    def _store_found(self, asset: Asset, found: AnalysedAudio) -> StorageResult:
        audio_id = asset.audio_id
        analysis = analysis_of(found)
        if analysis is None:
            raise UnplayableAudioError("its sound cannot be measured", audio_id=audio_id)
        # The figures come last: whoever finds them finds the waveform, too, and so does a second
        # attempt, if this one is killed.
        self._marked.store(audio_id, waveform_of(found), of=asset.audio)
        asset = self._changes.set_analysis(audio_id, analysis, of=asset.audio)
        warnings = (f"its sound {found.damage}; the rest of it was analysed",)
        return result_of(
            self._store, asset, created=True, warnings=warnings if found.damage else ()
        )

    def _measured(self, asset: Asset, *, true_peak: bool) -> AnalysedAudio:
        with tempfile.TemporaryDirectory(prefix="audiostore-analyse-") as folder:
            path = Path(folder) / asset.audio.name.rpartition("/")[2]
            get_checked(self._store, asset.audio, path)
            try:
                return analyse_file(path, true_peak=true_peak)
            except UnplayableAudioError as error:
                uri = self._store.uri(asset.audio.name)
                raise UnplayableAudioError(
                    f"cannot analyse {uri}: {error}", audio_id=asset.audio_id
                ) from error
