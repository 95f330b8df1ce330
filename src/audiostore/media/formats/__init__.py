"""The formats that audiostore stores: one module each, which defines one `Format` named ``FORMAT``.

To add a format, add a module here. Nothing else lists formats: recognition, structure checks,
probing, file name extensions, content types and the documentation all go by `FORMATS`.
"""

from importlib import import_module
from pathlib import Path
from typing import Literal

from audiostore.media.kinds import Format, extension_of


def _module_names() -> set[str]:
    folder = Path(__file__).parent
    if folder.is_dir():
        return {each.stem for each in folder.iterdir() if each.suffix == ".py"} - {"__init__"}
    from pkgutil import iter_modules  # noqa: PLC0415  (imports inspect; it looks into archives)

    return {module.name for module in iter_modules(__path__)}


_FOUND: list[Format] = [
    import_module(f"{__name__}.{name}").FORMAT for name in sorted(_module_names())
]

AUDIO_FORMATS = tuple(each for each in _FOUND if each.kind == "audio")
IMAGE_FORMATS = tuple(each for each in _FOUND if each.kind == "image")
FORMATS = AUDIO_FORMATS + IMAGE_FORMATS
"""Audio first, then images; both by the names of their modules."""

_BY_NAME = {each.name: each for each in FORMATS}


def format_of(name: str, kind: Literal["audio", "image"]) -> Format | None:
    """Return the format that a file's name stands for by its extension; None if it stands for none.

    Args:
        name: of a file, or of an object.
        kind: which formats there are to choose from.
    """
    extension = extension_of(name)
    formats = AUDIO_FORMATS if kind == "audio" else IMAGE_FORMATS
    return next((each for each in formats if extension in each.extensions), None)


def may_need_worker(name: str) -> bool:
    """Say whether FFmpeg is asked about most files of this name, which describe not themselves."""
    named = format_of(name, "audio")
    return named is None or named.describe is None


def format_named(name: str) -> Format:
    """Return the format that goes by this name, such as "MP3".

    Raises:
        KeyError: no format has this name.
    """
    return _BY_NAME[name]
