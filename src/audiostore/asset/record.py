"""Reads and writes the custom metadata that links the objects of an asset.

The audio object is the commit record of its asset. It names its thumbnail by object name,
generation and crc32c; a reader trusts nothing else in the folder. Pure functions.

The metadata of a thumbnail names its purpose, so that objects of two writers never mix:

- `audio_crc32c`: it was stored together with an audio file of these bytes, and belongs to no other;
- neither this key nor the next two: it waits for any audio that is stored under its id;
- `replaces_generation` and `audio_generation`: it overwrote the thumbnail of that generation, for
  that audio object. Overwriting is atomic, so if the audio names the overwritten generation, this
  thumbnail *is* the replacement, even if its writer died before it could update the audio object;
  and even if the audio object was moved to another storage class, or restored, and has a new
  generation.
"""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING

from audiostore.analysis import ANALYSIS_KEYS, Analysis
from audiostore.asset.layout import AUDIO, PARTS, THUMBNAIL, parse_blob_name, part_of
from audiostore.asset.marks import claimed_crc32c, current_and_stale
from audiostore.dataclass import dataclass, field, replace
from audiostore.errors import InvalidMetadataError, shown
from audiostore.patterns import pattern
from audiostore.sourcepaths import FILENAME_BYTES_KEY, SOURCE_PATH_KEYS, source_path_metadata
from audiostore.sources import Source, encode_crc32c
from audiostore.values import (
    AUDIO_DATA_KEYS,
    EXACT_KEY,
    OWN_KEYS,
    REFERENCE_KEYS,
    SHARE_EPOCH_KEY,
    TAGS_KEY,
    BlobInfo,
    same_bytes,
    tag_keys,
)

if TYPE_CHECKING:
    from audiostore.asset.prepared import PreparedFile
    from audiostore.media import AudioInfo

MOST_SHARE_EPOCH = 0xFFFF
"""From then on, an asset has no share links any more."""
_ADDED_KEYS = (*REFERENCE_KEYS, "superseded_by", SHARE_EPOCH_KEY)
"""What may be added to an audio object at any time: the caller cannot use its room."""
_RENEWED_KEYS = frozenset(
    {
        *("original_filename", FILENAME_BYTES_KEY, "tag_keys"),
        *SOURCE_PATH_KEYS,
        *_ADDED_KEYS,
    }
)
"""Own keys that are not kept as they are when the tags are replaced; those that may be added are
left alone."""
MAX_METADATA_BYTES = 8 * 1024
"""Keys and values together (cloud.google.com/storage/quotas, custom metadata)."""

_NOT_IN_KEYS = pattern(r"[^a-z0-9_.-]+")
"""Of tags, no other characters become a key."""
_NOT_IN_HEADER_NAMES = pattern(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")
"""RFC 9110, section 5.6.2 (token). A bucket serves a key as the header ``x-goog-meta-KEY``
(cloud.google.com/storage/docs/xml-api/reference-headers), whatever it lets the JSON API write."""
_CUT_FROM_BYTES = 64
"""A tag that does not fit is cut if so much of it does; else it is left out."""
_ID_CHARACTERS = 36

_ADDED_ROOM = (
    sum(map(len, _ADDED_KEYS))
    + len(f"audio/{'-' * _ID_CHARACTERS}/thumbnail.")
    + (16 + 20 + 8)
    + _ID_CHARACTERS
    + len(str(MOST_SHARE_EPOCH))
)


@dataclass(frozen=True, slots=True)
class Asset:
    """A complete asset: the objects in one folder that belong together."""

    audio_id: str
    audio: BlobInfo
    thumbnail: BlobInfo | None
    thumbnail_missing: bool
    """The audio object names a thumbnail that does not exist."""
    marked: Mapping[str, BlobInfo] = field(default_factory=dict, hash=False)
    """Its derived and attached parts, by name: those whose mark names this very audio."""
    stale: tuple[BlobInfo, ...] = ()
    """Other objects of such parts: of other audio, without a valid mark, or replaced by a newer one
    with another extension. No reader sees them."""

    @property
    def parts(self) -> dict[str, BlobInfo]:
        """Its objects by the names of their parts, the audio first."""
        thumbnail = {} if self.thumbnail is None else {THUMBNAIL.name: self.thumbnail}
        return {AUDIO.name: self.audio, **thumbnail, **self.marked}

    @property
    def derived(self) -> dict[str, BlobInfo]:
        """Its derived parts, by name."""
        return {name: blob for name, blob in self.marked.items() if PARTS[name].is_derived}

    @property
    def attached(self) -> dict[str, BlobInfo]:
        """Its attached parts, by name."""
        return {name: blob for name, blob in self.marked.items() if PARTS[name].is_attached}

    @property
    def blobs(self) -> tuple[BlobInfo, ...]:
        """Its objects, the audio first; also those that no reader sees any more."""
        return (*self.parts.values(), *self.stale)


def facts_of(info: "AudioInfo") -> dict[str, str]:
    """Return the facts about an audio file that are stored in its metadata, and all its tags.

    Duration in seconds, rates in Hz and bit/s. Tags keep their order, that of importance.
    """
    facts = {
        "duration_s": f"{info.duration_s:.3f}",
        **({} if info.duration_is_exact else {EXACT_KEY: "false"}),
        "codec": info.codec,
        "sample_rate_hz": str(info.sample_rate_hz),
        "channels": str(info.channels),
    }
    if info.bitrate_bps:
        facts["bitrate_bps"] = str(info.bitrate_bps)
    for name, value in info.tags.items():
        key = _NOT_IN_KEYS.sub("_", name).strip("_")
        if key and key not in OWN_KEYS:
            facts.setdefault(key, value)
    return facts


def audio_data_facts(size_bytes: int, crc32c: int) -> dict[str, str]:
    """Return what identifies the audio itself, without tags and artwork, as it is stored."""
    return dict(zip(AUDIO_DATA_KEYS, (str(size_bytes), encode_crc32c(crc32c)), strict=True))


def file_metadata(
    audio_id: str,
    part: str,
    filename: str,
    source: Source,
    custom: Mapping[str, str],
    *,
    facts: Mapping[str, str] | None = None,
    own: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the metadata of an asset's object: the caller's keys, facts, and audiostore's own.

    The caller's keys override tags. Tags that do not fit are cut or left out, the last first; the
    analysis is left out if it does not fit.

    Raises:
        InvalidMetadataError: a key is not valid (see `check_custom_metadata`), or all together are
            too large.
    """
    given = {key.lower() for key in custom}
    found = facts or {}
    metadata = {
        **{key: value for key, value in found.items() if key in OWN_KEYS},
        **custom,
        "audio_id": audio_id,
        "file_type": part,
        "original_filename": filename,
        "file_size": str(source.size_bytes),
        "crc32c": source.crc32c,
        **(own or {}),
    }
    if _size_bytes(metadata) > MAX_METADATA_BYTES:  # the analysis can be made again
        metadata = {k: v for k, v in metadata.items() if k not in ANALYSIS_KEYS}
    _require_fit(metadata)
    tags = {k: v for k, v in found.items() if k not in OWN_KEYS and k not in given}
    return {**metadata, **_fitting_tags(tags, MAX_METADATA_BYTES - _size_bytes(metadata))}


def _fitting_tags(tags: Mapping[str, str], room: int) -> dict[str, str]:
    """Return the tags that fit into so many bytes, and the key that names them."""
    taken: dict[str, str] = {}
    room -= len(TAGS_KEY)
    for key, value in tags.items():
        left = room - 2 * len(key) - len(",")
        fitting = _cut(value, left)
        if fitting:
            taken[key] = fitting
            room = left - len(fitting.encode())
    return {**taken, TAGS_KEY: ",".join(taken)} if taken else {}


def _cut(text: str, limit: int) -> str:
    """Return text of at most so many bytes; "" if too little of it fits."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    if limit < _CUT_FROM_BYTES:
        return ""
    return encoded[: limit - len("…".encode())].decode("utf-8", "ignore").rstrip() + "…"


def incomplete_tags(
    facts: Mapping[str, str], stored: Mapping[str, str], custom: Mapping[str, str]
) -> list[str]:
    """Return the tags of a file of which metadata does not hold all, and that the caller lacks."""
    given = {key.lower() for key in custom}
    return [
        key
        for key, value in facts.items()
        if key not in OWN_KEYS
        and key not in given
        and (stored.get(key) != value or value.endswith("…"))
    ]


def _require_fit(metadata: Mapping[str, str]) -> None:
    size = _size_bytes(metadata)
    if size > MAX_METADATA_BYTES:
        raise InvalidMetadataError(
            f"metadata takes {size} bytes together with the keys of audiostore, more than the "
            f"{MAX_METADATA_BYTES} that an object can have: shorten the values"
        )


def _size_bytes(metadata: Mapping[str, str]) -> int:
    return len("".join(chain.from_iterable(metadata.items())).encode()) + _ADDED_ROOM


def changed_metadata(
    present: Mapping[str, str], changes: Mapping[str, str | None], *, replace: bool
) -> dict[str, str | None]:
    """Return which keys of an audio object to set, and (None) which to remove.

    Args:
        present: its metadata.
        changes: the caller's keys; None removes one.
        replace: whether to remove all of the caller's keys that are not in `changes`; the tags of
            the file stay.

    Raises:
        InvalidMetadataError: a key is not valid (see `check_custom_metadata`), or the metadata
            would be too large.
    """
    given = check_custom_metadata({k: v for k, v in changes.items() if v is not None})
    # Others may have written keys that are not valid: they can be removed.
    _check_texts({k: "" for k, v in changes.items() if v is None})
    gone = {k for k, v in changes.items() if v is None and k in present}
    gone |= _other_spellings(present, given)
    tags = tag_keys(present)
    if replace:
        gone |= {k for k in present if k not in OWN_KEYS and k not in given and k not in tags}
    update: dict[str, str | None] = {k: v for k, v in given.items() if present.get(k) != v}
    update |= dict.fromkeys(gone)
    # Whatever the caller sets or removes no longer counts as a tag of the file.
    own_tags = ",".join(key for key in tags if key not in given and key not in gone)
    if own_tags != present.get(TAGS_KEY, ""):
        update[TAGS_KEY] = own_tags or None
    whole = {k: v for k, v in {**present, **update}.items() if v is not None}
    for key in _ADDED_KEYS:
        whole.pop(key, None)  # their room is always reserved
    _require_fit(whole)
    return update


def share_epoch(audio: BlobInfo) -> int:
    """Return how often the share links of an asset were revoked, `MOST_SHARE_EPOCH` at most."""
    text = audio.metadata.get(SHARE_EPOCH_KEY, "")
    if not (text.isascii() and text.isdigit()):
        return 0
    is_long = len(text) > len(str(MOST_SHARE_EPOCH))  # Python does not read just any number
    return MOST_SHARE_EPOCH if is_long else min(int(text), MOST_SHARE_EPOCH)


def analysed_metadata(present: Mapping[str, str], analysis: Analysis) -> dict[str, str | None]:
    """Return which keys of an audio object to set, and (None) which to remove, for an analysis.

    Raises:
        InvalidMetadataError: the metadata would be too large.
    """
    found = analysis.metadata
    update: dict[str, str | None] = {k: v for k, v in found.items() if present.get(k) != v}
    update |= dict.fromkeys(k for k in ANALYSIS_KEYS if k in present and k not in found)
    whole = {k: v for k, v in {**present, **update}.items() if v is not None}
    for key in _ADDED_KEYS:
        whole.pop(key, None)  # their room is always reserved
    _require_fit(whole)
    return update


def refreshed_metadata(
    present: Mapping[str, str],
    file: "PreparedFile",
    custom: Mapping[str, str],
    *,
    source_path: str | None = None,
    makes_current: bool = False,
) -> dict[str, str | None]:
    """Return which keys of an audio object to set, and (None) which to remove, for other tags.

    The keys that came from the file's tags are replaced by those of the tags that it has now; the
    caller's own keys stay, unless given anew.

    Args:
        present: its metadata.
        file: the file, with the same audio.
        custom: the caller's metadata.
        source_path: where the file is now; None: where it was.
        makes_current: whether to remove that another asset supersedes it.

    Raises:
        InvalidMetadataError: the metadata would be too large.
    """
    of_tags = set(present.get("tag_keys", "").split(",")) & set(present)
    own = {key: value for key, value in present.items() if key in OWN_KEYS - _RENEWED_KEYS}
    kept = {k: v for k, v in present.items() if k not in OWN_KEYS and k not in of_tags}
    for key in _other_spellings(kept, custom):
        del kept[key]
    path = source_path_metadata(source_path) or {
        key: present[key] for key in SOURCE_PATH_KEYS if key in present
    }
    # The stored duration stays, and so does whether it is exact.
    of_duration = EXACT_KEY if "duration_s" in present else None
    target = file_metadata(
        present.get("audio_id", ""),
        AUDIO.name,
        file.filename,
        file.source,
        {**kept, **custom},
        facts={key: value for key, value in file.facts.items() if key != of_duration},
        own={**own, **path},
    )
    renewed = {
        *of_tags,
        *_other_spellings(present, custom),
        "tag_keys",
        FILENAME_BYTES_KEY,
        *SOURCE_PATH_KEYS,
        *(["superseded_by"] if makes_current else []),
    }
    update: dict[str, str | None] = {k: v for k, v in target.items() if present.get(k) != v}
    return update | dict.fromkeys((renewed & set(present)) - set(target))


def _other_spellings(present: Mapping[str, str], given: Mapping[str, str]) -> set[str]:
    """Return the keys that others of the caller replace: they differ in case, as no header does."""
    names = {key.lower() for key in given}
    return {k for k in present if k not in given and k not in OWN_KEYS and k.lower() in names}


def copied_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of an object of another store, checked like a caller's.

    Earlier versions let callers choose keys that are not valid any more: these are copied.

    Raises:
        InvalidMetadataError: an upload could not have it.
    """
    others = {key: value for key, value in metadata.items() if key not in OWN_KEYS}
    own = {key: value for key, value in metadata.items() if key in OWN_KEYS}
    whole = {**own, **_check_texts(others)}
    _require_fit({k: v for k, v in whole.items() if k not in _ADDED_KEYS})
    return whole


def check_custom_metadata(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return a copy of the caller's metadata.

    Raises:
        InvalidMetadataError: a key or a value is not text; a key is empty, audiostore's own, or
            cannot be the name of an HTTP header; a value has a NUL; two keys differ only in case.
    """
    checked = _check_texts(metadata or {})
    spelled: dict[str, str] = {}
    for key in checked:
        if wrong := _NOT_IN_HEADER_NAMES.search(key):
            raise InvalidMetadataError(
                f"metadata key {shown(key)} has {shown(wrong[0])}: a bucket serves keys as names "
                "of HTTP headers, which have only ASCII letters, digits and any of "
                "! # $ % & ' * + - . ^ _ ` | ~"
            )
        if "\0" in checked[key]:
            raise InvalidMetadataError(
                f"metadata value of {shown(key)} has a NUL character: a bucket serves values in "
                "HTTP headers, which cannot have one"
            )
        other = spelled.setdefault(key.lower(), key)
        if other != key:
            raise InvalidMetadataError(
                f"metadata keys {shown(other)} and {shown(key)} differ only in case: a bucket "
                "serves keys as names of HTTP headers, which are the same in any case; give one"
            )
    return checked


def _check_texts(metadata: Mapping[str, str]) -> dict[str, str]:
    checked: dict[str, str] = {}
    for key, value in metadata.items():
        _require_text("key", key, key)
        _require_text("value", key, value)
        if not key.strip() or any(ord(c) < 32 or ord(c) == 127 for c in key):
            raise InvalidMetadataError(
                f"metadata key {shown(key)} is empty or has control characters"
            )
        if key.lower() in OWN_KEYS:
            raise InvalidMetadataError(
                f"metadata key {shown(key)} is one that audiostore writes itself: choose "
                "another name"
            )
        checked[key] = value
    return checked


def _require_text(what: str, key: object, value: object) -> None:
    if not isinstance(value, str):
        raise InvalidMetadataError(
            f"metadata {what} of {shown(key)} is {type(value).__name__}, not text: give a str"
        )
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidMetadataError(
            f"metadata {what} of {shown(key)} is not valid Unicode"
        ) from error


def thumbnail_reference(thumbnail: BlobInfo | None) -> dict[str, str]:
    """Return the metadata by which an audio object names its thumbnail."""
    if thumbnail is None:
        return {}
    values = (thumbnail.name, str(thumbnail.generation), claimed_crc32c(thumbnail))
    return dict(zip(REFERENCE_KEYS, values, strict=True))


def artwork_origin(is_embedded: bool, source_path: str | None) -> dict[str, str]:
    """Return the metadata of a thumbnail that says where it was: in the audio file, or in a file.

    Args:
        is_embedded: it was in the audio file.
        source_path: else where its file was, below the directory that was stored, if known.
    """
    return {"embedded": "true"} if is_embedded else source_path_metadata(source_path)


def origin_changes(
    thumbnail: BlobInfo, file: "PreparedFile", source_path: str | None
) -> dict[str, str | None]:
    """Return which keys of a stored thumbnail to set, and (None) which to remove, for its origin.

    Args:
        thumbnail: the stored one.
        file: the same picture, as it is now.
        source_path: where its file is now; None: not known, or in the audio file.
    """
    now = artwork_origin(file.is_embedded, source_path)
    if not now:
        return {}
    keys = ("embedded", *SOURCE_PATH_KEYS)
    present = {key: thumbnail.metadata[key] for key in keys if key in thumbnail.metadata}
    return {key: now.get(key) for key in keys if now.get(key) != present.get(key)}


def is_embedded(thumbnail: BlobInfo) -> bool:
    """Say whether this artwork was in the audio file, which still has it."""
    return thumbnail.metadata.get("embedded") == "true"


def belongs_to_audio(source: Source) -> dict[str, str]:
    """Return the metadata of a thumbnail that is stored together with this audio."""
    return {"audio_crc32c": source.crc32c}


def replaces(asset: Asset, overwritten: BlobInfo | None) -> dict[str, str]:
    """Return the metadata of a thumbnail that replaces the present one of an asset.

    Args:
        asset: the asset.
        overwritten: the object that has its name: the present thumbnail, or one that another writer
            has just stored; None if the name is free.
    """
    replaced = overwritten or asset.thumbnail
    return {
        "audio_generation": str(asset.audio.generation),
        **({"replaces_generation": str(replaced.generation)} if replaced else {}),
    }


def replaced_by(thumbnail: BlobInfo) -> BlobInfo | None:
    """Return the earlier generation that a thumbnail overwrote, if it says so."""
    generation = thumbnail.metadata.get("replaces_generation", "")
    if not (generation.isascii() and generation.isdigit()):
        return None
    replaced = int(generation)
    return replace(thumbnail, generation=replaced) if replaced < thumbnail.generation else None


def is_committed_audio(blob: BlobInfo) -> bool:
    """Say whether this is the audio object of an asset, with the bytes that its metadata names."""
    return (
        parse_blob_name(blob.name) == (blob.metadata.get("audio_id"), AUDIO)
        and blob.metadata.get("crc32c") == claimed_crc32c(blob)
        and blob.metadata.get("file_size") == str(blob.size_bytes)
    )


def names_thumbnail(audio: BlobInfo, thumbnail: BlobInfo | None) -> bool:
    """Say whether the audio object names this thumbnail; with None, whether it names none."""
    reference = {k: audio.metadata[k] for k in REFERENCE_KEYS if k in audio.metadata}
    return reference == thumbnail_reference(thumbnail)


def names_content_of(audio: BlobInfo, thumbnail: BlobInfo) -> bool:
    """Say whether the audio object names this thumbnail, or one of this name with the same bytes.

    Artwork that was restored from the trash has a new generation, to which the audio object is
    updated a moment later; until then the same bytes under the same name count.
    """
    return audio.metadata.get("thumbnail_name") == thumbnail.name and audio.metadata.get(
        "thumbnail_crc32c"
    ) == claimed_crc32c(thumbnail)


def names_the_same(audio: BlobInfo, other: BlobInfo) -> bool:
    """Say whether two descriptions have the same audio bytes and the same thumbnail reference.

    Their generations may differ: a change of storage class gives the object a new one.
    """
    references = [[b.metadata.get(key) for key in REFERENCE_KEYS] for b in (audio, other)]
    return same_bytes(audio, other) and references[0] == references[1]


def waits_for_audio(thumbnail: BlobInfo) -> bool:
    """Say whether this artwork was stored ahead of its audio."""
    return (
        part_of(thumbnail.name) is THUMBNAIL
        and thumbnail.metadata.get("file_type") == THUMBNAIL.name
        and "audio_generation" not in thumbnail.metadata
        and "audio_crc32c" not in thumbnail.metadata
    )


def came_with_audio(thumbnail: BlobInfo, audio: Source) -> bool:
    """Say whether this artwork was stored together with an audio file of these bytes."""
    return thumbnail.metadata.get("audio_crc32c") == audio.crc32c


def assemble(audio_id: str, blobs: Iterable[BlobInfo]) -> Asset | None:
    """Return the asset that a folder holds; None if no audio object is committed.

    Of two audio objects (from concurrent writers, with different extensions) the older one counts.
    """
    folder = list(blobs)
    committed = [b for b in folder if is_committed_audio(b)]
    if not committed:
        return None
    audio = min(committed, key=lambda blob: (blob.generation, blob.name))
    names_one = REFERENCE_KEYS[0] in audio.metadata
    thumbnail = next((b for b in folder if is_thumbnail_of(audio, b)), None) if names_one else None
    missing = names_one and thumbnail is None
    return Asset(audio_id, audio, thumbnail, missing, *current_and_stale(audio, folder))


def is_thumbnail_of(audio: BlobInfo, blob: BlobInfo) -> bool:
    """Say whether readers see this thumbnail with the audio: the named one, or its replacement."""
    if part_of(blob.name) is not THUMBNAIL or blob.name != audio.metadata.get("thumbnail_name"):
        return False
    replaced = blob.metadata.get("replaces_generation")
    return names_content_of(audio, blob) or (
        replaced is not None and replaced == audio.metadata.get("thumbnail_generation")
    )
