"""What is in the frames of ID3v2 (id3.org: ID3v2.4.0 frames), under the names that FFmpeg gives."""

from audiostore.media.parsing.embedded import OTHER, find_image
from audiostore.media.parsing.genres import genre
from audiostore.media.parsing.text import decode_8_bit, looks_misread
from audiostore.patterns import pattern

_NAMES = {
    "GRP1": "grouping",
    "MVIN": "movement",
    "MVNM": "movement_name",
    "TALB": "album",
    "TCMP": "compilation",
    "TCOM": "composer",
    "TCON": "genre",
    "TCOP": "copyright",
    "TDEN": "creation_time",
    "TDRC": "date",
    "TDRL": "date_released",
    "TENC": "encoded_by",
    "TEXT": "lyricist",
    "TIT1": "grouping",
    "TIT2": "title",
    "TIT3": "subtitle",
    "TLAN": "language",
    "TMOO": "mood",
    "TPE1": "artist",
    "TPE2": "album_artist",
    "TPE3": "conductor",
    "TPOS": "disc",
    "TPUB": "publisher",
    "TRCK": "track",
    "TSOA": "album-sort",
    "TSOP": "artist-sort",
    "TSOT": "title-sort",
    "TSSE": "encoder",
    "WCOP": "copyright_url",
    "WOAR": "website",
}
_OF_V2_2 = {
    "COM": "COMM",
    "IPL": "TIPL",
    "TAL": "TALB",
    "TBP": "TBPM",
    "TCM": "TCOM",
    "TCO": "TCON",
    "TCP": "TCMP",
    "TCR": "TCOP",
    "TDA": "TDAT",
    "TEN": "TENC",
    "TIM": "TIME",
    "TKE": "TKEY",
    "TLA": "TLAN",
    "TP1": "TPE1",
    "TP2": "TPE2",
    "TP3": "TPE3",
    "TP4": "TPE4",
    "TPA": "TPOS",
    "TPB": "TPUB",
    "TRC": "TSRC",
    "TRK": "TRCK",
    "TS2": "TSO2",
    "TSA": "TSOA",
    "TSC": "TSOC",
    "TSP": "TSOP",
    "TSS": "TSSE",
    "TST": "TSOT",
    "TT1": "TIT1",
    "TT2": "TIT2",
    "TT3": "TIT3",
    "TXT": "TEXT",
    "TXX": "TXXX",
    "TYE": "TYER",
    "UFI": "UFID",
    "ULT": "USLT",
    "WAR": "WOAR",
    "WCP": "WCOP",
    "WXX": "WXXX",
}
_LITTLE_MARK, _BIG_MARK = b"\xff\xfe", b"\xfe\xff"
_READ_BESIDES_TEXT = frozenset(("COMM", "USLT", "WXXX", "UFID", "GRP1", "MVNM", "MVIN", "IPLS"))
_PEOPLE = ("TIPL", "TMCL", "IPLS")
_PARTS_OF_DATE = ("TYER", "TDAT", "TIME")
_MUSICBRAINZ = b"http://musicbrainz.org\0"
_NUMBERED_GENRE = pattern(r"\((\d{1,3}|RX|CR)\)")
_MAX_VALUES, _MAX_GENRES = 1_000, 100
_GENRE_WORDS = {"RX": "Remix", "CR": "Cover"}


class TextTags:
    """Collects names and values from frames."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str]] = []
        self._date: dict[str, str] = {}
        self._has_lyrics = False
        self.is_guessed = False
        """Whether a text is not in the encoding that it states."""

    def __len__(self) -> int:
        """How many values there are so far."""
        return len(self._found)

    def wants(self, frame_id: str) -> bool:
        """Say whether a frame of this identifier holds text."""
        known = _OF_V2_2.get(frame_id, frame_id)
        return known[0] in "TW" or known in _READ_BESIDES_TEXT

    def add(self, frame_id: str, data: bytes) -> None:
        """Take a frame's data."""
        known = _OF_V2_2.get(frame_id, frame_id)
        if known in ("COMM", "USLT"):
            self._add_described(known, data)
        elif known in ("TXXX", "WXXX"):
            name, *values = self._split(data)
            if known == "WXXX":  # the address is in Latin-1, whatever the encoding of its name
                values = [decode_8_bit(data.rstrip(b"\0").rpartition(b"\0")[2])]
            self._found += [(name or known, value) for value in values]
        elif known == "UFID":
            if data.startswith(_MUSICBRAINZ):
                value = decode_8_bit(data[len(_MUSICBRAINZ) :])
                self._found.append(("musicbrainz_trackid", value))
        elif known[0] == "W":
            self._found.append((_NAMES.get(known, known), decode_8_bit(data.partition(b"\0")[0])))
        elif known in _PARTS_OF_DATE:
            self._date.setdefault(known, self._split(data)[0].strip())
        else:
            self._add_texts(known, [text for text in self._split(data) if text.strip()])

    def _add_texts(self, known: str, texts: list[str]) -> None:
        if known in _PEOPLE:
            for role, person in zip(texts[::2], texts[1::2], strict=False):
                if known == "TMCL":
                    self._found.append(("performer", f"{person} ({role})"))
                else:
                    self._found.append((role, person))
            return
        if known == "TCON":
            texts = [name for text in texts for name in _genres(text)]
        self._found += [(_NAMES.get(known, known), text) for text in texts]

    def _add_described(self, known: str, data: bytes) -> None:
        """Add a comment or lyrics: a language, a description and the text (sections 4.8, 4.10)."""
        language = data[1:4].decode("latin-1").strip(" \0").lower()
        name, *texts = self._split(data[:1] + data[4:])
        if not texts:  # there is no description
            name, texts = "", [name]
        if known == "USLT":
            # The first lyrics are the lyrics; others keep their language in their name.
            words = ("lyrics", name, language) if self._has_lyrics else ("lyrics",)
            name = "-".join(word for word in words if word)
            self._has_lyrics = True
        self._found += [(name or "comment", text) for text in texts]

    def _split(self, data: bytes) -> list[str]:
        """Return the strings in data that begin with a byte for their encoding; at least one.

        ID3v2.4.0 structure, section 4: zeros separate the values of a text. Today's writers do so
        in older tags, too.
        """
        encoding, text = data[:1], data[1:]
        if encoding > b"\x03":  # the byte is missing
            encoding, text = b"\0", data
        if encoding in (b"\1", b"\2"):
            return _utf_16(text, is_big=encoding == b"\2")
        decoded = decode_8_bit(text)
        if encoding == b"\3":
            self.is_guessed |= not text.startswith(decoded.encode())
        else:
            self.is_guessed |= looks_misread(text)
        return decoded.split("\0", _MAX_VALUES)[:_MAX_VALUES]

    def result(self) -> list[tuple[str, str]]:
        """Return names and values."""
        year, day, time = (self._date.get(part, "") for part in _PARTS_OF_DATE)
        if year:
            if len(year) == len(day) == 4 and day.isdigit():  # TDAT: DDMM; TIME: HHMM
                year += f"-{day[2:]}-{day[:2]}"
                if len(time) == 4 and time.isdigit():
                    year += f" {time[:2]}:{time[2:]}"
            self._found.append(("year", year))
            self._date.clear()
        return self._found


def _utf_16(data: bytes, *, is_big: bool) -> list[str]:
    """Return strings by their byte order marks; without one, by where the zero bytes are."""
    data = data[: len(data) & ~1]
    if data[:2] in (_LITTLE_MARK, _BIG_MARK):
        is_big = data[:2] == _BIG_MARK
    else:  # the high byte of a letter of most languages of Europe is zero
        even, odd = data[::2].count(0), data[1::2].count(0)
        is_big = even > odd or (is_big and even == odd)
    text = data.decode("utf-16-be" if is_big else "utf-16-le", "replace")
    return [_in_order(part) for part in text.split("\0", _MAX_VALUES)[:_MAX_VALUES]]


def _in_order(text: str) -> str:
    """Return a string without its mark, its bytes swapped if they have another order."""
    if text.startswith("\ufffe"):
        text = text.encode("utf-16-le").decode("utf-16-be", "replace")
    return text.removeprefix("\ufeff")


def _genres(text: str) -> list[str]:
    """Return the genres in a text: "17", "(17)", "(4)Eurodisco", "(51)(39)", "Rock"."""
    if text.isascii() and text.isdigit():
        return [_numbered(text)]
    found: list[str] = []
    while len(found) < _MAX_GENRES and (match := _NUMBERED_GENRE.match(text)):
        found.append(_numbered(match[1]))
        text = text[match.end() :]
    if text.startswith("(("):  # a text that begins with a bracket
        text = text[1:]
    return [*found, text] if text else found


def _numbered(number: str) -> str:
    return _GENRE_WORDS.get(number) or genre(int(number[:6])) or number


def locate_picture(frame_id: str, head: bytes) -> tuple[int, int] | None:
    """Return where the picture in a frame begins, and its type; None if there is only its address.

    ID3v2.4.0 frames, section 4.14: encoding, MIME type, picture type, description. Where writers
    got the end of a text wrong, the picture is where one begins.
    """
    if frame_id == "PIC":
        end, mime = 4, head[1:4]  # ID3v2.2.0, section 4.15: three letters
    else:
        end = head.find(b"\0", 1)
        mime = head[1 : max(end, 0)]
        end += 1
    if mime == b"-->":
        return None
    kind = head[end] if 0 < end < len(head) else OTHER
    at = _end_of_string(head, end + 1, head[:1])
    return find_image(head, at), kind


def _end_of_string(data: bytes, at: int, encoding: bytes) -> int:
    """Return the offset after the zeros at the end of a string."""
    if encoding not in (b"\1", b"\2"):
        return data.find(b"\0", at) + 1 or len(data)
    end = data.find(b"\0\0", at)
    while end >= 0 and (end - at) % 2:
        end = data.find(b"\0\0", end + 1)
    return end + 2 if end >= 0 else len(data)
