"""The protocol of one asset: how its objects are named, written, read, changed and deleted."""

from audiostore.asset.changes import Changes
from audiostore.asset.commit import Assets, Outcome
from audiostore.asset.copy import copy_asset
from audiostore.asset.layout import (
    FilenameGenerator,
    FileOrganizer,
    is_audio_name,
    is_thumbnail_name,
    require_audio_id,
)
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.reading import result_of
from audiostore.asset.record import (
    OWN_KEYS,
    TAG_KEYS,
    Asset,
    changed_metadata,
    check_custom_metadata,
    facts_of,
    file_metadata,
)
from audiostore.asset.serving import Links, check_expires_s, open_blob
from audiostore.asset.trash import Trash, TrashedAsset

__all__ = [
    "OWN_KEYS",
    "TAG_KEYS",
    "Asset",
    "Assets",
    "Changes",
    "FileOrganizer",
    "FilenameGenerator",
    "Links",
    "Outcome",
    "PreparedFile",
    "Trash",
    "TrashedAsset",
    "changed_metadata",
    "check_custom_metadata",
    "check_expires_s",
    "copy_asset",
    "facts_of",
    "file_metadata",
    "is_audio_name",
    "is_thumbnail_name",
    "open_blob",
    "require_audio_id",
    "result_of",
]
