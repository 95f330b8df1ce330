"""Which image is the cover of which track, in the layouts that libraries have."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from audiostore.bulk.sources import IgnoredPath, find_items

_LAYOUTS: dict[str, tuple[str, Mapping[str, str | None]]] = {
    # name: (images, {track: its cover})
    "beets": ("Album/cover.jpg", {"Album/01 A.mp3": "Album/cover.jpg"}),
    "Picard, several types": (
        "Album/back.jpg Album/booklet.jpg Album/cover.jpg Album/front.jpg",
        {"Album/a.mp3": "Album/cover.jpg"},
    ),
    "preference": (
        "A/front.png A/folder.jpg A/albumart.jpg A/album.jpg",
        {"A/a.mp3": "A/folder.jpg"},
    ),
    "front before album": ("A/album.jpg A/front.png", {"A/a.mp3": "A/front.png"}),
    "album before albumart": ("A/AlbumArt.jpg A/album.png", {"A/a.mp3": "A/album.png"}),
    "Windows Media Player": (
        "A/AlbumArt_{1F}_Large.jpg A/AlbumArt_{1F}_Small.jpg A/AlbumArtSmall.jpg",
        {"A/a.mp3": "A/AlbumArt_{1F}_Large.jpg"},
    ),
    "Windows Media Player, with Folder.jpg": (
        "A/AlbumArtSmall.jpg A/Folder.jpg",
        {"A/a.mp3": "A/Folder.jpg"},
    ),
    "a small copy is better than nothing": (
        "A/AlbumArtSmall.jpg A/back.jpg",
        {"A/a.mp3": "A/AlbumArtSmall.jpg"},
    ),
    "a scan is better than a small copy": (
        "A/AlbumArtSmall.jpg A/Scans/Front.jpg",
        {"A/a.mp3": "A/Scans/Front.jpg"},
    ),
    "a ripper's names": (
        "A/00-nina_simone-blues-back.jpg A/00-nina_simone-blues-cover.jpg",
        {"A/a.mp3": "A/00-nina_simone-blues-cover.jpg"},
    ),
    "the back is no cover": ("A/Back Cover.jpg A/Inside_Cover.jpg", {"A/a.mp3": None}),
    "the only image": (
        "A/IMG_0815.jpg",
        dict.fromkeys(("A/a.mp3", "A/b.flac"), "A/IMG_0815.jpg"),
    ),
    "the only image is no cover": ("A/back.jpg B/Artist.jpg", {"A/a.mp3": None, "B/b.mp3": None}),
    "two unknown images": ("A/x.jpg A/y.jpg", {"A/a.mp3": None}),
    "one for each track": (
        "A/a.jpg A/b.PNG",
        {"A/a.mp3": "A/a.jpg", "A/b.mp3": "A/b.PNG", "A/c.mp3": None},
    ),
    "the same stem before the folder's": (
        "A/a.jpg A/cover.jpg",
        {"A/a.mp3": "A/a.jpg", "A/b.mp3": "A/cover.jpg"},
    ),
    "Artwork": ("A/Artwork/Front.jpg A/Artwork/Back.jpg", {"A/a.mp3": "A/Artwork/Front.jpg"}),
    "scans, numbered": ("A/scans/01.jpg", {"A/a.mp3": "A/scans/01.jpg"}),
    "COVERS": ("A/COVERS/cover.png A/COVERS/tray.png", {"A/a.mp3": "A/COVERS/cover.png"}),
    "a name in Artwork before the only image": (
        "A/Artwork/folder.jpg A/IMG_1.jpg",
        {"A/a.mp3": "A/Artwork/folder.jpg"},
    ),
    "artwork of another album": ("B/Artwork/cover.jpg", {"A/a.mp3": None}),
    "discs": (
        "A/cover.jpg",
        dict.fromkeys(("A/CD1/a.mp3", "A/CD 02/b.mp3", "A/Disc 3/c.mp3"), "A/cover.jpg"),
    ),
    "discs, other spellings": (
        "A/folder.jpg",
        {
            "A/disk2/a.mp3": "A/folder.jpg",
            "A/Side A/b.mp3": "A/folder.jpg",
            "A/CD-1 - Live in Rome/c.mp3": "A/folder.jpg",
            "A/Disc IV/d.mp3": "A/folder.jpg",
            "A/DVD 1 (bonus)/e.mp3": "A/folder.jpg",
            "A/Disc Two/e2.mp3": "A/folder.jpg",
            "A/[CD3] Demos/e3.mp3": "A/folder.jpg",
            "A/Discography/f.mp3": None,
            "A/Sideshow/g.mp3": None,
            "A/CDs/h.mp3": None,
        },
    ),
    "a disc's own cover": (
        "A/cover.jpg A/CD2/folder.jpg A/CD3/cd3.jpg",
        dict.fromkeys(("A/CD1/a.mp3", "A/CD3/c.mp3"), "A/cover.jpg")
        | {"A/CD2/b.mp3": "A/CD2/folder.jpg"},
    ),
    "Artwork beside the discs": (
        "A/Artwork/front.jpg A/Artwork/disc.jpg",
        {"A/CD1/a.mp3": "A/Artwork/front.jpg", "A/CD2/b.mp3": "A/Artwork/front.jpg"},
    ),
    "sides of discs": ("A/cover.jpg", {"A/Disc 1/Side B/a.mp3": "A/cover.jpg"}),
    "the artist's picture is not an album's": ("cover.jpg", {"A/a.mp3": None, "A/B/b.mp3": None}),
    "upper case": ("A/FOLDER.JPG", {"A/a.MP3": "A/FOLDER.JPG"}),
}


def _make(folder: Path, name: str, data: bytes = b"x") -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("layout", _LAYOUTS)
def test_each_layout_has_the_covers_that_its_keeper_expects(tmp_path: Path, layout: str) -> None:
    images, tracks = _LAYOUTS[layout]
    for name in (*_names(images), *tracks):
        _make(tmp_path, name)
    ignored: list[IgnoredPath] = []
    found = {item.source_path: item for item in find_items([tmp_path], ignored.append)}
    covers = {
        path: item.thumbnail and str(item.thumbnail.relative_to(tmp_path))
        for path, item in found.items()
    }
    assert covers == tracks
    # What is no cover is counted, and nothing else is.
    unused = set(_names(images)) - set(covers.values())
    assert {str(each.path.relative_to(tmp_path)) for each in ignored} == unused
    # A cover that others may have is not deleted with a track.
    for item in found.values():
        if item.thumbnail is not None:
            assert item.keeps_thumbnail == (item.thumbnail.stem != item.audio.stem)
    # A track that is given by its name has the same cover.
    for path, cover in tracks.items():
        (item,) = find_items([tmp_path / path])
        assert item.thumbnail == (tmp_path / cover if cover else None)


def _names(images: str) -> list[str]:
    """Split names, of which some contain spaces, after their extensions."""
    return re.findall(r"\S.*?\.(?:jpg|png|JPG|PNG)", images)
