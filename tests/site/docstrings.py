"""What griffe, which reads the docstrings for the site, has to know of ours."""

import ast
import re
import textwrap
from typing import Any, Final

import griffe

_BLOCK: Final = re.compile(r"^( *)(.*?)::\n\n((?:\1    .*\n?|\n)+)", re.MULTILINE)


class Docstrings(griffe.Extension):
    """Make Markdown of the code blocks that docstrings introduce with two colons."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of each module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(docstring: str) -> str:
    """Return a docstring with fences around its code blocks."""
    return _BLOCK.sub(_fenced, docstring + "\n").rstrip("\n")


def _fenced(found: re.Match[str]) -> str:
    indent, introduction, block = found.groups()
    code = textwrap.dedent(block).strip("\n")
    lines = [f"{introduction}:" if introduction else "", "", f"```{_language(code)}"]
    lines += [*code.splitlines(), "```", ""]
    return textwrap.indent("\n".join(lines), indent) + "\n"


def _language(code: str) -> str:
    try:
        ast.parse(code)
    except SyntaxError:
        return "text"
    return "python"
