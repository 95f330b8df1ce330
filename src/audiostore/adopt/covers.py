"""Which objects may be the cover of an audio object, by their names. Pure."""

import posixpath
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence

from audiostore.adopt.layouts import STEM
from audiostore.bulk import is_disc
from audiostore.dataclass import dataclass, field
from audiostore.errors import shown
from audiostore.templates import Template


@dataclass(frozen=True, slots=True)
class KeyCovers:
    """Where covers are, in order of preference: each a name beside the audio object.

    ``cover.jpg`` is an object in the same folder and, for audio in the folder of a disc (``CD1``),
    one in the folder above that. ``{stem}.jpg`` has the name of the audio object, without its
    extension; other fields are those of the layout. ``../art/{record}.png`` is elsewhere.

    Raises:
        ValueError: a name is not valid, or has a field that the layout lacks.
    """

    names: Sequence[str]
    known_fields: Collection[str] = ()
    _templates: tuple[Template, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the names."""
        known = {*self.known_fields, STEM}
        templates = []
        for name in self.names:
            try:
                template = Template.parse(name)
            except ValueError as error:
                raise ValueError(f"the cover {shown(name)} is not valid: {error}") from None
            for each in template.fields:
                if each.name not in known:
                    raise ValueError(
                        f"unknown field {shown(each.name)} in the cover {shown(name)}: known are "
                        f"{', '.join(sorted(known))}"
                    )
            if not name or name.startswith("/") or name.endswith("/"):
                raise ValueError(f"the cover {shown(name)} is not the name of an object")
            templates.append(template)
        object.__setattr__(self, "_templates", tuple(templates))

    def of(self, audio: str, values: Mapping[str, str]) -> Iterator[str]:
        """Yield the names that the cover of an audio object may have, the best first.

        Args:
            audio: the name of the object.
            values: of the fields of the layout in it.
        """
        folder, base = posixpath.split(audio)
        known = {**values, STEM: posixpath.splitext(base)[0]}
        filled = [
            template.fill(known.__getitem__)
            for template in self._templates
            if all(each.name in known for each in template.fields)
        ]
        yield from _within(folder, filled)
        above = _album_of(folder)
        if above is not None:
            yield from _within(above, [name for name in filled if "/" not in name])

    @property
    def takes_values(self) -> bool:
        """Whether a name has fields of the layout."""
        return any(each.name != STEM for found in self._templates for each in found.fields)


def folders_of(audio: str) -> Iterator[str]:
    """Yield the folder of an audio object and, if it is that of a disc, the one above it."""
    folder = posixpath.dirname(audio)
    yield folder
    above = _album_of(folder)
    if above is not None:
        yield above


def _album_of(folder: str) -> str | None:
    above, disc = posixpath.split(folder)
    return above if is_disc(disc) else None


def _within(folder: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        joined = posixpath.normpath(posixpath.join(folder, name))
        if not joined.startswith(("../", "/")):
            yield joined


def folded(name: str) -> str:
    """Return what names of covers are compared by: in any case, in any Unicode form."""
    return (name if name.isascii() else unicodedata.normalize("NFC", name)).casefold()
