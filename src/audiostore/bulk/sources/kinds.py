"""What a file or directory is, by its name: audio, an image, somebody's leftover, hidden."""

import os
import re
from collections.abc import Set as AbstractSet
from pathlib import Path

from audiostore.dataclass import dataclass
from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS, identify

AUDIO_EXTENSIONS = frozenset(e for f in AUDIO_FORMATS for e in f.extensions)
IMAGE_EXTENSIONS = tuple(e for f in IMAGE_FORMATS for e in f.extensions)
"""In order of preference."""

_OTHER_AUDIO = frozenset(
    (
        *(".3ga", ".aa", ".aac3", ".aax", ".aaxc", ".ac3", ".adts", ".aff", ".aifc", ".amr"),
        *(".ape", ".au", ".awb", ".bwf", ".dff", ".dsf", ".dss", ".dts", ".dtshd", ".dvf", ".eac3"),
        *(".gsm", ".kar", ".la", ".m4p", ".m4r", ".mid", ".midi", ".mka", ".mlp", ".mp+", ".mp1"),
        *(".mp2", ".mpa", ".mpc", ".mpga", ".mpp", ".msv", ".ofr", ".ofs", ".qcp", ".ra", ".rf64"),
        *(".rm", ".rmi", ".shn", ".snd", ".spx", ".tak", ".thd", ".tta", ".voc", ".vox", ".w64"),
        *(".wave", ".weba", ".wv", ".xwma"),
    )
)
"""Of audio that is not stored, or not under such a name."""
_CONTAINERS = frozenset(
    (".3g2", ".3gp", ".asf", ".m4v", ".mkv", ".mov", ".mp4", ".ogv", ".ogx", ".qt", ".wmv")
)
"""Of video, mostly."""
_MAYBE_VIDEO = frozenset({".webm"})
"""Of formats that are stored, but for video."""

_FOREIGN_FOLDERS = frozenset(
    (
        # network storages: Synology, QNAP, NetApp, snapshots
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", ".@__thumb"),
        *(".snapshot", ".snapshots", "~snapshot", ".zfs", ".recycle", "network trash folder"),
        # systems
        *("$recycle.bin", "recycler", "recycled", "system volume information", "lost+found"),
        *(".trashes", ".appledouble", ".spotlight-v100", ".fseventsd", ".temporaryitems"),
        *("__macosx", "temporary items"),
        # tools
        *(".stversions", ".stfolder", ".dropbox.cache", ".sync"),
    )
)
_HIDDEN = "hidden files and directories"
_INCOMPLETE = frozenset(
    (
        *(".part", ".crdownload", ".partial", ".tmp", ".download", ".opdownload", ".filepart"),
        *(".aria2", ".ytdl", ".!qb", ".!ut", ".bc!"),
    )
)
_FOREIGN_FILES = (
    (re.compile(r"\._.+"), "AppleDouble files (._*)"),
    (re.compile(r"\..+\.icloud"), "iCloud placeholders"),
    (re.compile(r"(~syncthing~|\.syncthing\.).+"), "temporary files of Syncthing"),
    (re.compile(r"\..+\.\w+\.[A-Za-z0-9]{6}"), "temporary files of rsync"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file whose name does not say that it is audio to be stored."""

    description: str
    """For a sentence: "WavPack audio", "video (H.264 with sound)"."""
    is_audio: bool
    is_storable: bool = False
    """It is, if its extension is corrected."""


def extension_of(name: str) -> str:
    """Return the extension of a name with its dot, in lower case; "" if there is none.

    As `PurePath.suffix` has it, whose parsing takes longer than all else on a directory's names.
    """
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def stem_of(name: str) -> str:
    """Return a name without its extension, as `PurePath.stem` does."""
    dot = name.rfind(".")
    return name[:dot] if 0 < dot < len(name) - 1 else name


def foreign_folder(name: str) -> str | None:
    """Return a plural noun for a directory that a system or tool keeps; None for any other."""
    lower = name.lower()
    if lower in _FOREIGN_FOLDERS or lower.startswith(".trash-"):
        return f"{name} directories"
    return hidden(name)


def foreign_file(name: str) -> str | None:
    """Return a plural noun for a file that is another's leftover; None for any other."""
    if name.startswith((".", "~")):
        for pattern, kind in _FOREIGN_FILES:
            if pattern.fullmatch(name):
                return kind
    extension = extension_of(name)
    if extension in _INCOMPLETE:
        return f"{extension} files"
    return hidden(name)


def hidden(name: str) -> str | None:
    """Return a plural noun for what is hidden; "...And Justice for All", ".38 Special" are not."""
    is_hidden = name.startswith(".") and not (name[1:2] == "." or name[1:2].isdigit())
    return _HIDDEN if is_hidden else None


def why_missed(name: str, kind: str, *, is_folder: bool) -> str | None:
    """Say why something is ignored, by its kind, if there may be music in it; else None."""
    may_be_music = kind == _HIDDEN and (is_folder or extension_of(name) in AUDIO_EXTENSIONS)
    return "it is hidden: its name begins with a dot" if may_be_music else None


def is_being_downloaded(name: str, names: AbstractSet[str]) -> bool:
    """Say whether a file is the placeholder of one that a browser is downloading next to it."""
    return any(f"{name}{extension}" in names for extension in (".part", ".crdownload"))


def look_into(path: Path) -> Content | None:
    """Look into a file that may be audio although its extension is none of ours.

    Returns None for a file that is something else by its name, or audio to be stored.
    """
    extension = extension_of(path.name)
    if extension and extension not in _OTHER_AUDIO | _CONTAINERS | _MAYBE_VIDEO:
        return None
    try:
        with open(path, "rb", opener=_without_waiting) as stream:
            found = identify(stream)
    except OSError:
        found = "a file that cannot be read"
    if isinstance(found, str):
        is_audio = extension in _OTHER_AUDIO or "audio" in found.lower()
        is_video = found.startswith("video")
        return Content(found, is_audio and not is_video) if is_audio or is_video else None
    if extension in _MAYBE_VIDEO:
        return None
    if found.codec is None and extension in _CONTAINERS:
        return Content(f"{found.format.name} data without an index", is_audio=False)
    return Content(
        f"{found.format.description} under another extension: pass fix_extension=True to store it",
        is_audio=True,
        is_storable=True,
    )


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
