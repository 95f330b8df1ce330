"""All the small ways in which a module can be wrong."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_OTHER_COMPARISON: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OTHER_OPERATOR: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
}
_SPEAKERS: Final = {"logger", "warn", "notify"}
"""What they are given is for people to read: a mutation of it changes no outcome."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of one module."""

    path: Path
    line: int
    before: str
    after: str
    source: str
    """The whole module, changed."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {_short(self.before)} -> {_short(self.after)}"


def mutations(path: Path, root: Path) -> list[Mutation]:
    """Return every mutation of a module, in the order of its lines.

    Comparisons, conditions, operators, numbers and truth values become others; a call whose result
    is not used, a `raise`, an assignment to an attribute and a keyword argument disappear; a
    result becomes None.

    Args:
        path: the module, relative to `root`.
        root: the directory of the checkout.
    """
    source = (root / path).read_text(encoding="utf-8")
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))
    data = source.encode()
    found = []
    for node, after in _changes(ast.parse(source)):
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        changed = (data[:begin] + after.encode() + data[end:]).decode()
        found.append(Mutation(path, node.lineno, data[begin:end].decode(), after, changed))
    return found


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in _walk(tree):
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                other = _OTHER_COMPARISON[type(operator)]()
                yield node, f"({ast.unparse(ast.Compare(left, [other], [right]))})"
            case ast.BoolOp(op=ast.And(), values=values):
                yield node, f"({ast.unparse(ast.BoolOp(ast.Or(), values))})"
            case ast.BoolOp(op=ast.Or(), values=values):
                yield node, f"({ast.unparse(ast.BoolOp(ast.And(), values))})"
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield node, f"({ast.unparse(operand)})"
            case ast.BinOp(left=left, op=operator, right=right) if (
                type(operator) in _OTHER_OPERATOR and not _is_text(left) and not _is_text(right)
            ):
                other_operator = _OTHER_OPERATOR[type(operator)]()
                yield node, f"({ast.unparse(ast.BinOp(left, other_operator, right))})"
            case ast.Constant(value=bool(value)):
                yield node, repr(not value)
            case ast.Constant(value=int(value)):
                yield node, repr(value + 1)
            case ast.Expr(value=ast.Call()) | ast.Raise():
                yield node, "pass"
            case ast.Assign(targets=[ast.Attribute()]):
                yield node, "pass"
            case ast.Return(value=ast.expr() as value) if not _is_nothing(value):
                yield node, "return None"
            case ast.Call(keywords=[_, *_]):
                for keyword in node.keywords:
                    rest = [each for each in node.keywords if each is not keyword]
                    yield node, ast.unparse(ast.Call(node.func, node.args, rest))
            case _:
                pass
        if isinstance(node, ast.If | ast.While | ast.IfExp) and not isinstance(
            node.test, ast.Compare | ast.UnaryOp
        ):
            yield node.test, f"(not ({ast.unparse(node.test)}))"


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that decide what happens: no types, no texts, no constants of a module."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_params", "bases"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_idle(child):
                yield from _walk(child)


def _is_idle(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Assert() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Call(func=ast.Name(id=name)) if name.endswith(("Error", "Warning")):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Expr(value=ast.Call(func=function)):
            return any(
                isinstance(part, ast.Name | ast.Attribute)
                and (part.id if isinstance(part, ast.Name) else part.attr) in _SPEAKERS
                for part in ast.walk(function)
            )
        case _:
            return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _is_nothing(node: ast.expr) -> bool:
    """Say whether a result means the same to its caller as None, most often."""
    return isinstance(node, ast.Constant) and not node.value


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"`{text}`" if len(text) <= 70 else f"`{text[:67]}...`"
