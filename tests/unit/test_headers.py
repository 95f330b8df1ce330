"""The headers that objects are served with."""

import pytest

from audiostore.stores.headers import content_disposition


def test_a_name_is_played_in_place_unless_it_is_to_be_saved() -> None:
    assert content_disposition("a.mp3") == 'inline; filename="a.mp3"'
    assert content_disposition("a.mp3", kind="attachment") == 'attachment; filename="a.mp3"'


@pytest.mark.parametrize("name", ["inline.mp3", "attachment; x.mp3", 'Für "Elise".mp3'])
def test_both_kinds_name_the_file_alike(name: str) -> None:
    inline = content_disposition(name).removeprefix("inline; ")
    assert content_disposition(name, kind="attachment").removeprefix("attachment; ") == inline


@pytest.mark.parametrize("code", [*range(0x20), *b'"%/\\', 0x7F, 0x202E])
def test_no_character_of_a_name_ends_the_quotes_or_names_a_folder(code: int) -> None:
    header = content_disposition(f"a{chr(code)}b.mp3")
    assert header.startswith('inline; filename="a_b.mp3"')


@pytest.mark.parametrize("code", sorted({*range(0x20, 0x7F)} - {*b'"%/\\'}))
def test_other_ascii_characters_are_kept(code: int) -> None:
    assert content_disposition(f"a{chr(code)}b") == f'inline; filename="a{chr(code)}b"'
