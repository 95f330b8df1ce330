"""Tags of every container under one set of names, as clean text of limited length."""

from collections.abc import Collection, Iterable

from audiostore.media.parsing.text import MAX_KEY_CHARS, MAX_TAG_CHARS, MAX_TAGS, clean
from audiostore.patterns import pattern

# Readers of tags translate most names of most formats to these; `_OTHER_NAMES` translates what they
# leave (Vorbis comments, ID3 TXXX, APE, ASF and CAF keys).
_KNOWN_TAGS = tuple(
    (  # noqa: SIM905 - as words, not a page of quotes
        "title artist album album_artist track track_total disc disc_total date genre composer "
        "compilation isrc performer conductor lyricist copyright publisher language bpm key mood "
        "grouping subtitle"
    ).split()
)
_LONG_TAGS = ("comment", "description", "lyrics")
"""What takes the most room and is needed least comes last."""
_OTHER_NAMES = {
    "albumartist": "album_artist",
    "album artist": "album_artist",
    "wm/albumartist": "album_artist",
    "author": "artist",
    "tracknumber": "track",
    "track number": "track",
    "part_number": "track",
    "wm/tracknumber": "track",
    "itrk": "track",
    "tracktotal": "track_total",
    "totaltracks": "track_total",
    "total tracks": "track_total",
    "total_tracks": "track_total",
    "total_parts": "track_total",
    "discnumber": "disc",
    "disc number": "disc",
    "disk": "disc",
    "wm/partofset": "disc",
    "disctotal": "disc_total",
    "totaldiscs": "disc_total",
    "total discs": "disc_total",
    "total_discs": "disc_total",
    "tcmp": "compilation",
    "cpil": "compilation",
    "itunescompilation": "compilation",
    "wm/iscompilation": "compilation",
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
    "uslt": "lyrics",
}
# How the file was made, not what it contains.
_TECHNICAL = tuple(
    (  # noqa: SIM905 - as words, not a page of quotes
        "major_brand minor_version compatible_brands handler_name vendor_id creation_time encoder "
        "encoding encodersettings encoded_by itunsmpb itunnorm itunpgap duration id3v2_priv "
        "deviceconformancetemplate wmfsdkversion wmfsdkneeded isvbr asf_protection "
        "number_of_bytes number_of_frames _statistics bps coding_history time_reference umid "
        "timecode gapless_playback metadata_block_picture waveformatextensible_channel_mask "
        "com.apple.quicktime.player"
    ).split()
)
_NO_LANGUAGE = ("language", "und")  # ISO 639-2: undetermined; the default in MP4
_MUSICBRAINZ = "musicbrainz "
_NUMBERED = {"track": "track_total", "disc": "disc_total"}
_ONE_VALUE = ("track", "track_total", "disc", "disc_total", "compilation")
"""What has no second value: of "3" and "3/12" the first counts."""
_NUMBER = pattern(r"0*([0-9]{1,6})")
_OF_TOTAL = pattern(r"\s*([^/]*?)\s*/\s*0*([0-9]{1,6})\s*")
_TRUE, _FALSE = ("1", "true", "yes"), ("0", "false", "no")


def unify_tags(*sources: Collection[tuple[str, str]]) -> tuple[dict[str, str], int]:
    """Return tags by their common names: what a player needs first, then others, long texts last.

    Several values of one name are joined by ";". A tag of the very name counts, wherever it
    stands, more than one whose name only means the same ("year" is a date); if that says something
    else, it keeps its name. "3/12" is track 3 and a track_total of 12; compilation is "1", or left
    out.

    Args:
        sources: names and values of each kind of tag in a file; a name in one of them makes those
            after it irrelevant.

    Returns:
        The tags, and how many were left out because there are more than `MAX_TAGS`.
    """
    tags: dict[str, str] = {}
    for source in filter(None, sources):
        for key, text in _with_numbers(_unify(source)).items():
            tags.setdefault(key, text)
    known = {key: tags.pop(key) for key in _KNOWN_TAGS if key in tags}
    if not tags:
        return known, 0
    long = [(key, text) for key, text in tags.items() if key.startswith(_LONG_TAGS)]
    long = sorted(long, key=lambda tag: _LONG_TAGS.index(_long_tag(tag[0])))[:MAX_TAGS]
    others = [(key, text) for key, text in tags.items() if not key.startswith(_LONG_TAGS)]
    room = MAX_TAGS - len(known)
    kept = [*others[: max(0, room - len(long))], *long][:room]
    return {**known, **dict(kept)}, len(tags) - len(kept)


def _unify(source: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the tags of one source by their common names."""
    named: dict[str, dict[str, dict[str, None]]] = {}
    for raw, value in source:
        name = clean(raw.lower(), MAX_KEY_CHARS)
        key = _OTHER_NAMES.get(name, name)
        if key.startswith(_MUSICBRAINZ):  # as ID3 has them: "MusicBrainz Album Id"
            key = name = f"{_MUSICBRAINZ[:-1]}_{key.removeprefix(_MUSICBRAINZ).replace(' ', '')}"
        text = clean(value, MAX_TAG_CHARS)
        if not key or not text or (key, text) == _NO_LANGUAGE:
            continue
        if key not in _KNOWN_TAGS and key.startswith(_TECHNICAL):
            continue
        named.setdefault(key, {}).setdefault(name, {})[text] = None
    found: dict[str, str] = {}
    for key, names in named.items():
        if key in names and len(names) == 1 and len(names[key]) == 1:  # as nearly always
            found[key] = next(iter(names[key]))
            continue
        best = key if key in names else next(iter(names))
        values = [*names.pop(best)][: 1 if key in _ONE_VALUE else None]
        found[key] = chosen = clean(";".join(values), MAX_TAG_CHARS)
        for name, texts in names.items():  # another name that says something else keeps it
            text = clean(";".join(texts), MAX_TAG_CHARS)
            if not chosen.startswith(text.lstrip("0")):
                found.setdefault(name, text)
    return found


def _long_tag(key: str) -> str:
    """Return which long text a key such as "lyrics-deu" names."""
    return next(name for name in _LONG_TAGS if key.startswith(name))


def _with_numbers(tags: dict[str, str]) -> dict[str, str]:
    """Return tags with numbers and totals apart, and with one spelling of a compilation."""
    found = dict(tags)
    for key, total in _NUMBERED.items():
        if of_total := _OF_TOTAL.fullmatch(found.get(key, "")):
            found[key] = of_total[1]
            found.setdefault(total, of_total[2])
        for each in (key, total):
            if each not in found:
                continue
            if number := _NUMBER.fullmatch(found[each]):
                found[each] = number[1]
            if found[each] in ("", "0"):  # how tools write that they do not know
                del found[each]
    if not found.get("date", "0").strip("0-"):
        found.pop("date", None)
    flag = found.get("compilation", "").lower()
    if flag in _TRUE:
        found["compilation"] = "1"
    elif flag in _FALSE:
        del found["compilation"]
    return found
