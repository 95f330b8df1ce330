"""Marks: the metadata by which an object names the audio that it was made of, or is attached to.

A derived part, such as a waveform, is computed from the audio; an attached one, such as a
transcript, is supplied for it. No commit names them. Each carries a mark: the CRC-32C and the size
of the audio, and, if it is derived, what computed it. A reader believes it while the audio next to
it has these bytes, whatever generation, class or store they are in. Pure functions.
"""

from collections.abc import Iterable

from audiostore.asset.layout import Part, parse_blob_name, part_of
from audiostore.sources import Source
from audiostore.values import MARK_KEYS, BlobInfo

_CRC32C_KEY, _SIZE_KEY, _MAKER_KEY = MARK_KEYS


def mark(audio: BlobInfo | Source, maker: str | None = None) -> dict[str, str]:
    """Return the metadata that says which audio an object is of.

    Args:
        audio: the audio, stored or about to be.
        maker: the name and the version of what computed the object, such as ``waveform/1``; None
            if the user supplied it.
    """
    crc32c = claimed_crc32c(audio) if isinstance(audio, BlobInfo) else audio.crc32c
    made_by = {} if maker is None else {_MAKER_KEY: maker}
    return {_CRC32C_KEY: crc32c, _SIZE_KEY: str(audio.size_bytes), **made_by}


def maker_of(blob: BlobInfo) -> str | None:
    """Return what computed an object, by its mark; None if that does not say."""
    return blob.metadata.get(_MAKER_KEY) or None


def has_mark(blob: BlobInfo) -> bool:
    """Say whether the metadata of an object is that of a derived or an attached part.

    It has a mark, of whatever audio, and the other keys name this very object and its bytes.
    """
    parsed = parse_blob_name(blob.name)
    if parsed is None:
        return False
    audio_id, part = parsed
    metadata = blob.metadata
    return (
        part.is_marked
        and metadata.get("audio_id") == audio_id
        and metadata.get("file_type") == part.name
        and metadata.get("crc32c") == claimed_crc32c(blob)
        and metadata.get("file_size") == str(blob.size_bytes)
        and bool(metadata.get(_CRC32C_KEY) and metadata.get(_SIZE_KEY))
        and (part.is_attached or maker_of(blob) is not None)
    )


def is_current(blob: BlobInfo, audio: BlobInfo, maker: str | None = None) -> bool:
    """Say whether a derived or an attached object is of the audio that is stored next to it.

    Args:
        blob: the object.
        audio: the audio object of its asset.
        maker: what must have computed it, name and version; None for anything.
    """
    return (
        has_mark(blob)
        and mark(audio).items() <= blob.metadata.items()
        and maker in (None, maker_of(blob))
    )


def marked_blobs(blobs: Iterable[BlobInfo]) -> list[tuple[Part, BlobInfo]]:
    """Return the objects of derived and attached parts, by their names, the oldest first."""
    found = [
        (part, blob)
        for blob in blobs
        if (part := part_of(blob.name)) is not None and part.is_marked
    ]
    return sorted(found, key=lambda each: (each[1].generation, each[1].name))


def current_and_stale(
    audio: BlobInfo, blobs: Iterable[BlobInfo]
) -> tuple[dict[str, BlobInfo], tuple[BlobInfo, ...]]:
    """Return the objects of derived and attached parts in the folder of an audio object.

    Returns:
        those that are of this audio, by the names of their parts: of two of one part, with
        different extensions, the newer one; and all others, the oldest first.
    """
    marked = marked_blobs(blobs)
    current = {part.name: blob for part, blob in marked if is_current(blob, audio)}
    return current, tuple(blob for part, blob in marked if current.get(part.name) is not blob)


def claimed_crc32c(blob: BlobInfo) -> str:
    """Return the checksum of an object; if the store does not tell it, what its metadata says.

    It decides what belongs together: what is not readable for now must not look orphaned. Bytes are
    compared by a checksum that is known, always.
    """
    return blob.crc32c or blob.metadata.get("crc32c", "")
