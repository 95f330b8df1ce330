"""The protocol of one asset: how its objects are named, written, read, changed and deleted."""

from audiostore.asset.changes import Changes
from audiostore.asset.commit import Assets, Outcome
from audiostore.asset.copy import copy_asset
from audiostore.asset.layout import (
    AUDIO,
    PARTS,
    THUMBNAIL,
    FilenameGenerator,
    FileOrganizer,
    Part,
    PartName,
    derived_parts,
    folder_prefix,
    part_of,
    require_audio_id,
    require_part,
)
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.reading import result_of, waiting_result
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
    "AUDIO",
    "OWN_KEYS",
    "PARTS",
    "TAG_KEYS",
    "THUMBNAIL",
    "Asset",
    "Assets",
    "Changes",
    "FileOrganizer",
    "FilenameGenerator",
    "Links",
    "Outcome",
    "Part",
    "PartName",
    "PreparedFile",
    "Trash",
    "TrashedAsset",
    "changed_metadata",
    "check_custom_metadata",
    "check_expires_s",
    "copy_asset",
    "derived_parts",
    "facts_of",
    "file_metadata",
    "folder_prefix",
    "open_blob",
    "part_of",
    "require_audio_id",
    "require_part",
    "result_of",
    "waiting_result",
]
