"""Values of the library as JSON and back: those of its dataclasses, whole.

A value of a dataclass becomes an object with the name of its class and the fields that differ from
their defaults. What is read back has exactly the types that the fields are declared with.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from audiostore.fleet.objects import Fields

T = TypeVar("T")
_CLASS = "is"
_Reader = Callable[[Any], Any]


def json_of(value: object) -> Any:
    """Return a value as JSON has it.

    Raises:
        TypeError: it has no form in JSON.
    """
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: json_of(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(json_of(each) for each in value)
    if isinstance(value, tuple):
        return [json_of(each) for each in value]
    return fields_of(value)


def fields_of(value: object) -> Fields:
    """Return a value of a dataclass as a JSON object."""
    kind: Any = type(value)
    found: dict[str, Any] = {_CLASS: kind.__name__}
    for name, default in _defaults(kind):
        member = getattr(value, name)
        if member != default:
            found[name] = json_of(member)
    return found


def value_in(kind: Callable[..., T], data: Fields) -> T:
    """Return the value of a dataclass in a JSON object.

    Raises:
        KeyError, TypeError, ValueError: it is not one of that class.
    """
    value: T = _reader(kind)(data)
    return value


@cache
def _defaults(kind: Any) -> tuple[tuple[str, object], ...]:
    return tuple(
        (
            each.name,
            each.default_factory() if each.default_factory is not MISSING else each.default,
        )
        for each in fields(kind)
        if each.init
    )


@cache
def _reader(hint: Any) -> _Reader:
    """Return what reads values that are declared so."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _union_reader(arguments)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping_reader(_reader(arguments[1]))
    if origin in (tuple, frozenset):
        read = _reader(arguments[0])
        return lambda value: origin(map(read, _require(value, list)))
    return _PLAIN.get(hint) or _class_reader(hint)


def _union_reader(arguments: tuple[Any, ...]) -> _Reader:
    readers = {each.__name__: _reader(each) for each in arguments if each is not NoneType}
    has_none = NoneType in arguments
    only = next(iter(readers.values())) if len(readers) == 1 else None

    def read(value: Any) -> Any:
        if value is None:
            if not has_none:
                raise TypeError("a value is missing")
            return None
        return (only or readers[value[_CLASS]])(value)

    return read


def _mapping_reader(read: _Reader) -> _Reader:
    return lambda value: {key: read(each) for key, each in _require(value, dict).items()}


def _class_reader(kind: Any) -> _Reader:
    hints = get_type_hints(kind)
    readers = {name: _reader(hints[name]) for name, _ in _defaults(kind)}

    def read(value: Any) -> Any:
        if value[_CLASS] != kind.__name__:
            raise TypeError(f"it is a {value[_CLASS]}, not a {kind.__name__}")
        return kind(**{n: readers[n](each) for n, each in value.items() if n != _CLASS})

    return read


def _require(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise TypeError(f"{value!r:.40} is not as it was written")
    return value


_PLAIN: dict[Any, _Reader] = {
    str: lambda value: _require(value, str),
    int: lambda value: _require(value, int),
    bool: lambda value: _require(value, bool),
    float: lambda value: float(_require(value, float, int)),
    datetime: lambda value: datetime.fromisoformat(_require(value, str)),
}
