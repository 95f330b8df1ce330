"""Every type in the signature of a public name has a public name itself."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import audiostore
from audiostore import fleet

PUBLIC: list[str] = vars(audiostore)["__all__"]
HOMES: dict[str, str] = vars(audiostore)["_HOMES"]
SOURCE = Path(audiostore.__file__).parent
METHODS = {"__init__", "__call__", "__enter__", "__iter__", "__next__", "__getitem__"}


@dataclass(frozen=True)
class Defined:
    """Where a name of ours is defined."""

    module: str
    node: ast.stmt


@cache
def tree_of(module: str) -> ast.Module:
    path = import_module(module).__file__
    assert path is not None
    return ast.parse(Path(path).read_text("utf-8"))


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module, also those that only type checkers see."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else [node]


def find(module: str, name: str) -> Defined | None:
    """The definition of a name that a module defines or imports from another of ours."""
    for node in statements(tree_of(module)):
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                return Defined(module, node)
            case ast.Assign(targets=[ast.Name(id=target)]) if target == name:
                return Defined(module, node)
            case ast.AnnAssign(target=ast.Name(id=target)) if target == name:
                return Defined(module, node)
            case ast.ImportFrom(module=str(source)) if source.startswith("audiostore"):
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return find(source, alias.name)
            case _:
                pass
    return None


def annotations(node: ast.AST) -> Iterator[ast.expr]:
    """The annotations that a caller of this definition meets."""
    match node:
        case (
            ast.FunctionDef(args=args, returns=returns)
            | ast.AsyncFunctionDef(args=args, returns=returns)
        ):
            everything = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
            yield from (arg.annotation for arg in everything if arg and arg.annotation)
            if returns is not None:
                yield returns
        case ast.ClassDef(body=body, bases=bases):
            yield from bases
            for part in body:
                match part:
                    case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                        if not name.startswith("_") or name in METHODS:
                            yield from annotations(part)
                    case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation):
                        if not name.startswith("_"):
                            yield annotation
                    case _:
                        pass
        case ast.AnnAssign(annotation=annotation):
            yield annotation
        case ast.Assign(value=value) if not isinstance(value, ast.Call | ast.Constant):
            yield value  # an alias: what it stands for is met as well
        case _:
            pass


def names_in(annotation: ast.expr) -> Iterator[str]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                quoted = ast.parse(node.value, mode="eval").body
            except SyntaxError:  # a text in a Literal
                continue
            yield from names_in(quoted) if not isinstance(quoted, ast.Constant) else ()


def is_type_variable(found: Defined) -> bool:
    return (
        isinstance(found.node, ast.Assign)
        and isinstance(found.node.value, ast.Call)
        and isinstance(found.node.value.func, ast.Name)
        and found.node.value.func.id in {"TypeVar", "ParamSpec"}
    )


def has_nothing_public(found: Defined) -> bool:
    """Say whether this is a class that a caller meets nothing of: the base of public ones."""
    return isinstance(found.node, ast.ClassDef) and not any(
        isinstance(part, ast.AnnAssign | ast.Assign)
        or (
            isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            and not part.name.startswith("_")
        )
        for part in found.node.body
    )


def unnamed_types() -> dict[str, set[str]]:
    """Public name -> types of ours in its signature that have no public name."""
    missing: dict[str, set[str]] = {}
    functions = " ".join(vars(fleet)["__dir__"]())
    for home, public in [*HOMES.items(), ("fleet", functions)]:
        for name in public.split():
            found = find(f"audiostore.{home}", name)
            assert found is not None, f"{name} is not defined below audiostore.{home}"
            for annotation in annotations(found.node):
                for used in names_in(annotation):
                    definition = find(found.module, used)
                    if definition is None or is_type_variable(definition) or used in PUBLIC:
                        continue
                    if has_nothing_public(definition):
                        continue
                    missing.setdefault(name, set()).add(used)
    return missing


@pytest.mark.slow
def test_every_type_in_a_public_signature_is_public() -> None:
    assert unnamed_types() == {}


def test_the_walk_finds_a_type_that_is_not_public() -> None:
    assert find("audiostore.manager", "AudioStorageManager") is not None
    seen = {
        used
        for annotation in annotations(find("audiostore.manager", "AudioStorageManager").node)  # type: ignore[union-attr]
        for used in names_in(annotation)
    }
    assert {"StorageResult", "RetryConfig", "EventListener"} <= seen
