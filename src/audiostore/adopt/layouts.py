"""Layouts of other programs: templates that say what the parts of an object's name mean. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from audiostore.asset import check_custom_metadata
from audiostore.dataclass import dataclass, field
from audiostore.errors import InvalidMetadataError, shown
from audiostore.templates import Field, Template

FOLDERS, EXTENSION, ID, STEM = "folders", "ext", "id", "stem"
_NOT_KEPT = frozenset({"_", STEM, "name", "format", EXTENSION, ID})
"""Fields that do not become metadata; ``name`` and ``format`` are those of `NameTemplate`."""
_NUMBERS = frozenset({"track", "track_total", "disc", "disc_total", "year"})
_MOST_FIELDS = 4
"""In one part of a name: a part that does not fit is tried in all ways, which are few for four."""
_MOST_CHARACTERS = 255
"""Of one part of a name; what is longer fits a part with a single field only."""


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """What the names of objects say, such as ``music/{artist}/{album}/{track} {title}.{ext}``.

    A field stands for one or more characters of one part of a name, as few as possible; its value
    becomes metadata under its name. ``{track}``, ``{disc}`` and ``{year}`` are numbers; ``{ext}``
    is an extension; ``{id}`` is the id that the asset gets; ``{_}`` and ``{stem}`` are not kept.
    ``{folders}``, as a part of its own, stands for any number of folders, also none. A field that
    occurs twice has the same value.

    Raises:
        ValueError: the template is not valid.
    """

    template: str
    _before: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)
    _after: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)
    _is_deep: bool = field(init=False, repr=False, compare=False)
    _fields: tuple[tuple[str, ...], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the template."""
        try:
            parts = list(_parts(Template.parse(self.template)))
            at = _depth(parts)
            kept = parts[:at] + parts[at + 1 :]
            patterns = tuple(re.compile(_pattern(part), re.DOTALL) for part in kept)
            fields = tuple(tuple(f.name for f in part if isinstance(f, Field)) for part in kept)
            check_custom_metadata(
                dict.fromkeys({name for part in fields for name in part} - _NOT_KEPT, "")
            )
        except (ValueError, InvalidMetadataError) as error:
            raise ValueError(f"the layout {shown(self.template)} is not valid: {error}") from None
        object.__setattr__(self, "_before", patterns[:at])
        object.__setattr__(self, "_after", patterns[at:])
        object.__setattr__(self, "_is_deep", at < len(parts))
        object.__setattr__(self, "_fields", fields)

    @property
    def fields(self) -> frozenset[str]:
        """The names of its fields, without ``folders``."""
        return frozenset(name for part in self._fields for name in part)

    def match(self, name: str) -> Mapping[str, str] | None:
        """Return the values of the fields in a name; None if it is not of this layout."""
        parts = name.split("/")
        count = len(self._fields)
        if len(parts) < count or (len(parts) > count and not self._is_deep):
            return None
        ends = parts[: len(self._before)] + parts[len(parts) - len(self._after) :]
        values: dict[str, str] = {}
        patterns = (*self._before, *self._after)
        for part, pattern, names in zip(ends, patterns, self._fields, strict=True):
            if len(part) > _MOST_CHARACTERS and len(names) > 1:
                return None
            found = pattern.fullmatch(part)
            if found is None:
                return None
            for key, value in zip(names, found.groups(), strict=True):
                clean = value.strip()
                if not clean or (values.setdefault(key, clean) != clean and key != "_"):
                    return None
        return values

    def metadata(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the metadata that the values of fields become; numbers without leading zeros."""
        return {
            key: (value.lstrip("0") or "0") if key in _NUMBERS else value
            for key, value in values.items()
            if key not in _NOT_KEPT
        }


_Part = Sequence[str | Field]


def _parts(template: Template) -> Iterator[_Part]:
    """Yield what is between the slashes of a template.

    Raises:
        ValueError: there is nothing between two of them, or at all.
    """
    if not template.pieces:
        raise ValueError("it is empty")
    part: list[str | Field] = []
    for piece in template.pieces:
        if isinstance(piece, Field):
            part.append(piece)
            continue
        first, *others = piece.split("/")
        part += [first] if first else []
        for other in others:
            yield _whole(part)
            part = [other] if other else []
    yield _whole(part)


def _whole(part: _Part) -> _Part:
    if not part:
        raise ValueError("it begins or ends with a slash, or has two in a row")
    return part


def _is_folders(part: _Part) -> bool:
    named = [piece for piece in part if isinstance(piece, Field) and piece.name == FOLDERS]
    if named and len(part) > 1:
        raise ValueError("{folders} must be alone between slashes")
    return bool(named)


def _depth(parts: Sequence[_Part]) -> int:
    """Return which part stands for folders; the number of parts if none does.

    Raises:
        ValueError: several do, or the last one.
    """
    found = [number for number, part in enumerate(parts) if _is_folders(part)]
    if len(found) > 1 or found == [len(parts) - 1]:
        raise ValueError("{folders} may occur only once, before the file name")
    return found[0] if found else len(parts)


def _pattern(part: _Part) -> str:
    fields = [piece for piece in part if isinstance(piece, Field)]
    if len(fields) > _MOST_FIELDS:
        raise ValueError(f"more than {_MOST_FIELDS} fields without a slash between them")
    kinds = [isinstance(piece, Field) for piece in part]
    if (True, True) in pairwise(kinds):
        raise ValueError("nothing separates one field from the next")
    return "".join(
        re.escape(piece) if isinstance(piece, str) else f"({_of_field(piece)})" for piece in part
    )


def _of_field(piece: Field) -> str:
    if piece.name in _NUMBERS:
        return "[0-9]+"
    return "[^.]+" if piece.name == EXTENSION else ".+?"
