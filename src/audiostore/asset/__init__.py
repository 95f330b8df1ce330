"""The protocol of one asset: how its objects are named, written, read, changed and deleted."""

from audiostore.asset.attach import Attachments
from audiostore.asset.changes import Changes, require_own_classes
from audiostore.asset.commit import Commits, find_stored
from audiostore.asset.copy import copy_asset
from audiostore.asset.derived import MarkedFile, MarkedParts
from audiostore.asset.drafts import Outcome
from audiostore.asset.known import require_known, require_servable
from audiostore.asset.layout import (
    AUDIO,
    DATA_TYPES,
    PARTS,
    PREVIEW,
    THUMBNAIL,
    TRANSCRIPT,
    WAVEFORM,
    AudioId,
    FilenameGenerator,
    FileOrganizer,
    Part,
    PartName,
    folder_prefix,
    id_prefix,
    part_of,
    require_attachable,
    require_audio_id,
    require_part,
)
from audiostore.asset.marks import has_mark, is_current, maker_of, mark, marked_blobs
from audiostore.asset.prepared import PreparedFile
from audiostore.asset.reading import (
    find_asset,
    require_asset,
    result_of,
    waiting_result,
)
from audiostore.asset.record import (
    Asset,
    assemble,
    audio_data_facts,
    changed_metadata,
    check_custom_metadata,
    facts_of,
    file_metadata,
    is_committed_audio,
    is_embedded,
    names_content_of,
    names_thumbnail,
    origin_changes,
    refreshed_metadata,
    thumbnail_reference,
    waits_for_audio,
)
from audiostore.asset.resolving import resolve_id
from audiostore.asset.serving import BlobRanges, SignedUrls, check_expires_s, open_blob
from audiostore.asset.shards import Shard
from audiostore.asset.trash import Trash, TrashedAsset, delete_asset
from audiostore.asset.walking import PAGE_OBJECTS, walk, walk_objects

__all__ = [
    "AUDIO",
    "DATA_TYPES",
    "PAGE_OBJECTS",
    "PARTS",
    "PREVIEW",
    "THUMBNAIL",
    "TRANSCRIPT",
    "WAVEFORM",
    "Asset",
    "Attachments",
    "AudioId",
    "BlobRanges",
    "Changes",
    "Commits",
    "FileOrganizer",
    "FilenameGenerator",
    "MarkedFile",
    "MarkedParts",
    "Outcome",
    "Part",
    "PartName",
    "PreparedFile",
    "Shard",
    "SignedUrls",
    "Trash",
    "TrashedAsset",
    "assemble",
    "audio_data_facts",
    "changed_metadata",
    "check_custom_metadata",
    "check_expires_s",
    "copy_asset",
    "delete_asset",
    "facts_of",
    "file_metadata",
    "find_asset",
    "find_stored",
    "folder_prefix",
    "has_mark",
    "id_prefix",
    "is_committed_audio",
    "is_current",
    "is_embedded",
    "maker_of",
    "mark",
    "marked_blobs",
    "names_content_of",
    "names_thumbnail",
    "open_blob",
    "origin_changes",
    "part_of",
    "refreshed_metadata",
    "require_asset",
    "require_attachable",
    "require_audio_id",
    "require_known",
    "require_own_classes",
    "require_part",
    "require_servable",
    "resolve_id",
    "result_of",
    "thumbnail_reference",
    "waiting_result",
    "waits_for_audio",
    "walk",
    "walk_objects",
]
