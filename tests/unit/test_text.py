"""Text of foreign files becomes one line of limited length, without what controls a terminal."""

import pytest

from audiostore.media.parsing.text import clean

BREAKS = "\t\n\r\x85\u2028\u2029"
CONTROLS = [chr(each) for each in (*range(0x20), *range(0x7F, 0xA0), 0xD800, 0xDFFF)]
DIRECTIONS = "\u200e\u200f\ufeff\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


@pytest.mark.parametrize("character", [*CONTROLS, *DIRECTIONS, *BREAKS])
def test_no_control_character_is_left(character: str) -> None:
    assert clean(f"a{character}b", 9) == ("a b" if character in BREAKS else "ab")


@pytest.mark.parametrize("text", ["", "a", "Björk", "日本語", "a\xa0b", "\U0001f3b5", "e\u0301"])
def test_all_other_text_stays_as_it_is(text: str) -> None:
    assert clean(f" {text}\n", 9) == text


def test_long_text_is_cut() -> None:
    assert clean("word word", 6) == "word…"
    assert clean("word" + "\0" * 100, 4) == "word"
