"""Tags of every container under one set of names, as clean text of limited length."""

from collections.abc import Iterable

from audiostore.media.parsing.text import MAX_KEY_CHARS, MAX_TAG_CHARS, MAX_TAGS, clean

# FFmpeg translates most names of most formats to these; `_OTHER_NAMES` translates what it leaves
# (Vorbis comments, ID3 TXXX, ASF and CAF keys that it does not know).
_KNOWN_TAGS = tuple(
    (  # noqa: SIM905 - as words, not a page of quotes
        "title artist album album_artist track disc date genre comment composer performer "
        "conductor lyricist copyright publisher language isrc bpm key mood grouping subtitle "
        "description lyrics compilation"
    ).split()
)
_OTHER_NAMES = {
    "albumartist": "album_artist",
    "album artist": "album_artist",
    "wm/albumartist": "album_artist",
    "author": "artist",
    "tracknumber": "track",
    "track number": "track",
    "part_number": "track",
    "wm/tracknumber": "track",
    "discnumber": "disc",
    "disk": "disc",
    "wm/partofset": "disc",
    "year": "date",
    "wm/year": "date",
    "date_recorded": "date",
    "date_released": "date",
    "recorded date": "date",
    "wm/genre": "genre",
    "comments": "comment",
    "organization": "publisher",
    "label": "publisher",
    "wm/publisher": "publisher",
    "wm/composer": "composer",
    "wm/albumtitle": "album",
    "tbpm": "bpm",
    "tempo": "bpm",
    "tkey": "key",
    "initialkey": "key",
    "tsrc": "isrc",
    "unsyncedlyrics": "lyrics",
    "lyrics-xxx": "lyrics",
    "lyrics-eng": "lyrics",
}
# How the file was made, not what it contains.
_TECHNICAL = tuple(
    (  # noqa: SIM905 - as words, not a page of quotes
        "major_brand minor_version compatible_brands handler_name vendor_id creation_time encoder "
        "encoding encodersettings encoded_by itunsmpb itunnorm itunpgap duration id3v2_priv "
        "deviceconformancetemplate wmfsdkversion wmfsdkneeded isvbr asf_protection "
        "number_of_bytes number_of_frames _statistics bps coding_history time_reference umid "
        "timecode gapless_playback metadata_block_picture waveformatextensible_channel_mask"
    ).split()
)
_NO_LANGUAGE = ("language", "und")  # ISO 639-2: undetermined; the default in MP4


def unify_tags(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return tags by their common names; those with a common name come first.

    Args:
        found: names and values as FFmpeg has them; of two with one name, the first counts.
    """
    known: dict[str, str] = {}
    others: dict[str, str] = {}
    for raw, value in found:
        key = clean(raw.lower(), MAX_KEY_CHARS)
        key = _OTHER_NAMES.get(key, key)
        text = clean(value, MAX_TAG_CHARS)
        if not key or not text or key.startswith(_TECHNICAL) or (key, text) == _NO_LANGUAGE:
            continue
        if key in _KNOWN_TAGS:
            known.setdefault(key, text)
        elif len(others) < MAX_TAGS:
            others.setdefault(key, text)
    ordered = {key: known[key] for key in _KNOWN_TAGS if key in known}
    room = MAX_TAGS - len(ordered)
    return {**ordered, **dict(list(others.items())[:room])}
