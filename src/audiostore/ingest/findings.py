"""What inspecting a file has given besides a verdict, added to an asset that is stored."""

from audiostore.analysis import Analysis
from audiostore.asset import Asset, Changes, MarkedParts, PreparedFile
from audiostore.ingest.analyses import AnalysisChoice
from audiostore.ingest.options import UploadOptions
from audiostore.stores import has_content
from audiostore.values import AUDIO_DATA_KEYS, BlobInfo


def add_findings(
    asset: Asset,
    audio: PreparedFile,
    options: UploadOptions,
    marked: MarkedParts,
    changes: Changes,
) -> Asset:
    """Store what an asset lacks of the analysis and the preview that were made of its file.

    Nothing is stored if the file has other sound than the asset by now.

    Args:
        asset: the asset.
        audio: its file, inspected.
        options: what was asked for.
        marked: stores the waveform and the preview.
        changes: stores the figures.

    Returns:
        The asset as it is then.

    Raises:
        AudioStoreError, OSError: something cannot be stored.
    """
    stored = asset.audio
    if not has_sound_of(stored, audio):
        return asset
    wanted = AnalysisChoice(options.analyse == "true-peak", options.preview, options.preview_kbps)
    lacks = {
        "waveform": bool(options.analyse) and wanted.lacks_analysis(stored, asset.marked),
        "preview": wanted.lacks_preview(stored, asset.marked),
    }
    for file in audio.derived:
        if lacks[file.part.name]:
            asset = marked.store(asset.audio_id, file, of=stored).asset
    analysis = Analysis.from_metadata(audio.facts)
    if analysis is not None and lacks["waveform"]:
        # The figures come last: a reader that finds them finds the waveform, too.
        asset = changes.set_analysis(asset.audio_id, analysis, of=stored)
    return asset


def has_sound_of(stored: BlobInfo, audio: PreparedFile) -> bool:
    """Say whether stored audio has the bytes of a file, or the same audio data."""
    return has_content(stored, audio.source) or all(
        key in audio.facts and stored.metadata.get(key) == audio.facts[key]
        for key in AUDIO_DATA_KEYS
    )
