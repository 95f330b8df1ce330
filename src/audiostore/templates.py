"""Texts with fields in braces, such as ``{disc}-{track:02} {title}``: filled, never evaluated."""

from collections.abc import Callable

from audiostore.dataclass import dataclass
from audiostore.patterns import pattern

_PIECE = pattern(r"\{\{|\}\}|\{([^{}:]*)(?::([^{}]*))?\}|[{}]")
_WIDTH = pattern("([<>]?)(0?)([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a template, and how its value is padded."""

    name: str
    width: int = 0
    padding: str = " "
    is_right: bool = False

    def padded(self, value: str) -> str:
        """Return a value in at least the width of the field."""
        if self.padding == "0":
            return value.zfill(self.width) if value else value
        return value.rjust(self.width) if self.is_right else value.ljust(self.width)


@dataclass(frozen=True, slots=True)
class Template:
    """A text with fields.

    ``{name}`` is a field. ``{name:02}`` is filled up with zeros to two characters; ``{name:20}``
    and ``{name:<20}`` with spaces on the right, ``{name:>20}`` on the left. ``{{`` and ``}}`` are
    braces.
    """

    pieces: tuple[str | Field, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Return the template that a text is.

        Raises:
            ValueError: an unmatched brace, or an invalid width after a colon.
        """
        pieces: list[str | Field] = []
        end = 0
        for found in _PIECE.finditer(text):
            pieces.append(text[end : found.start()])
            end = found.end()
            if found[0] in ("{", "}"):
                raise ValueError(f"a single {found[0]!r}: double it, or name a field in braces")
            pieces.append(found[0][0] if found[1] is None else _field(found[1], found[2]))
        pieces.append(text[end:])
        return cls(tuple(piece for piece in pieces if piece))

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields, in order."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Field))

    def fill(self, value_of: Callable[[str], str]) -> str:
        """Return the text with the values in place of the fields.

        Args:
            value_of: returns the value of the field of that name.
        """
        return "".join(
            piece if isinstance(piece, str) else piece.padded(value_of(piece.name))
            for piece in self.pieces
        )


def _field(name: str, spec: str | None) -> Field:
    if spec is None:
        return Field(name)
    found = _WIDTH.fullmatch(spec)
    if found is None:
        raise ValueError(f"{{{name}:{spec}}}: {spec!r} is not a width such as 02, 20 or >20")
    return Field(name, int(found[3]), found[2] or " ", found[1] == ">")
