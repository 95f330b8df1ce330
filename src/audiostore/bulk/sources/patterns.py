"""Which files are wanted: patterns for paths, with the syntax of rclone (rclone.org/filtering)."""

import re
import unicodedata
from collections.abc import Iterable

from audiostore.dataclass import dataclass

_CLASSES = "dDsSwW"
"""After a backslash, these stand for a class of characters, as in a regular expression."""
_ANY_FOLDERS = "(?:.*/)?"


class PathPatterns:
    r"""Patterns that a file's path, relative to the directory that is searched, must (not) match.

    ========  =====================================================================
    ``*``     any characters but ``/``
    ``**``    any characters
    ``?``     one character but ``/``
    ``[a-z]`` one of these characters; ``[!a-z]``: one of the others, but ``/``
    ``{a,b}`` either of these patterns
    ``\*``    the character itself
    ``/a``    ``a`` directly in the directory that is searched; without the slash, anywhere
    ``a/``    everything below the directories named ``a``, like ``a/**``
    ========  =====================================================================

    A pattern matches whole names: ``*.mp3``, ``Live/**``. An accent matches in either of its
    encodings. What matches a pattern to exclude is not taken, whatever it is included by.
    """

    def __init__(
        self,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        *,
        ignore_case: bool = False,
    ) -> None:
        """Read the patterns.

        Args:
            include: take only files that match one of these; none: all files.
            exclude: take no file that matches one of these.
            ignore_case: let ``a`` match ``A``.

        Raises:
            ValueError: a pattern is malformed.
        """
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        self._include = [_Pattern.read(text, flags) for text in include]
        self._exclude = [_Pattern.read(text, flags) for text in exclude]

    def takes(self, path: str) -> bool:
        """Say whether the audio file at this path is wanted."""
        included = not self._include or any(each.matches(path) for each in self._include)
        return included and not self.excludes(path)

    def excludes(self, path: str) -> bool:
        """Say whether a pattern excludes the file at this path, an image as well as audio."""
        return any(each.matches(path) for each in self._exclude)

    def skips_folder(self, path: str) -> bool:
        """Say whether everything below the directory at this path is excluded."""
        return any(each.matches_all_below(path) for each in self._exclude)


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    has_open_end: bool
    """It ends with ``**``: whatever follows, matches, too."""

    @classmethod
    def read(cls, text: str, flags: int) -> "_Pattern":
        try:
            source, has_open_end = _translated(_normal(text))
            return cls(re.compile(source, flags), has_open_end)
        except (ValueError, re.error) as error:
            raise ValueError(f"invalid pattern {text!r}: {error}") from None

    def matches(self, path: str) -> bool:
        return self.regex.fullmatch(_normal(path)) is not None

    def matches_all_below(self, folder: str) -> bool:
        return self.has_open_end and self.matches(f"{folder}/")


def _normal(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _translated(pattern: str) -> tuple[str, bool]:  # noqa: PLR0912  (one branch a character)
    """Return a pattern as a regular expression, and whether it ends with ``**``."""
    rest = pattern.lstrip("/")
    if not rest:
        raise ValueError("it matches nothing")
    parts = [] if pattern.startswith("/") else [_ANY_FOLDERS]
    if rest.endswith("/") and not rest.endswith("\\/"):
        rest += "**"
    is_in_braces = False
    while rest:
        token, rest = rest[0], rest[1:]
        match token:
            case "\\":
                if not rest:
                    raise ValueError("it ends with a backslash")
                parts.append(f"\\{rest[0]}" if rest[0] in _CLASSES else re.escape(rest[0]))
                rest = rest[1:]
            case "*":
                stars = len(rest) - len(rest.lstrip("*")) + 1
                if stars > 2:
                    raise ValueError("it has more than two stars in a row")
                parts.append("[^/]*" if stars == 1 else ".*")
                rest = rest[stars - 1 :]
            case "?":
                parts.append("[^/]")
            case "[":
                characters, rest = _character_class(rest)
                parts.append(characters)
            case "{" if is_in_braces or rest.startswith("{"):
                raise ValueError("braces within braces are not supported")
            case "{":
                parts.append("(?:")
                is_in_braces = True
            case "," if is_in_braces:
                parts.append("|")
            case "}" if is_in_braces:
                parts.append(")")
                is_in_braces = False
            case "}" | "]":
                raise ValueError(f"it has a {token} too many: write \\{token} for the character")
            case _:
                parts.append(re.escape(token))
    if is_in_braces:
        raise ValueError("a { is not closed: write \\{ for the character")
    return "".join(parts), parts[-1] == ".*"


def _character_class(rest: str) -> tuple[str, str]:
    """Return a character class as in a regular expression, and what follows it in the pattern."""
    negated = rest[:1] in ("!", "^") and rest[:1] != ""
    found = re.match(r"((?:\\.|[^\\\]])+)\]", rest[negated:], re.DOTALL)
    if found is None:
        raise ValueError("a [ is not closed, or empty: write \\[ for the character")
    if "[:" in found[1]:
        raise ValueError("names of classes, such as [:alpha:], are not supported")
    inside = re.sub(r"(?<!\\)([\[^&|~])", r"\\\1", found[1])
    return f"[{'^/' if negated else ''}{inside}]", rest[negated + found.end() :]
