"""Slotted dataclasses whose methods are made when they are first needed.

Those of the standard library compile six functions a class while its module is imported: for the
hundred classes behind one upload, that took half of the start of the command, and most of them are
never called. Type checkers see the standard library's own; its `replace`, `fields` and so on, and
its subclasses, find all that they look for on a class, made when they look.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

_SPECS: Final = "__field_specs__"


class _Factory:
    def __repr__(self) -> str:
        return "<factory>"  # in signatures, instead of a default


_NOTHING: Final = _Factory()


class _Spec:
    """What is known of a field."""

    __slots__ = ("compare", "default", "factory", "hash", "init", "kw_only", "name", "repr", "type")

    def __init__(
        self,
        *,
        default: object = _NOTHING,
        default_factory: Any = _NOTHING,
        init: bool = True,
        repr: bool = True,
        hash: bool | None = None,
        compare: bool = True,
    ) -> None:
        self.default, self.factory, self.init, self.repr = default, default_factory, init, repr
        self.compare, self.hash, self.kw_only = compare, hash, False
        self.name, self.type = "", Any


def _dataclass(
    *, slots: bool, frozen: bool = False, kw_only: bool = False, eq: bool = True
) -> Callable[[type], type]:
    if not slots:
        raise TypeError("without slots, use the standard library's")

    def decorate(cls: type) -> type:
        specs: dict[str, _Spec] = {}
        for base in reversed(cls.__mro__[1:]):
            specs |= vars(base).get(_SPECS, {})
        namespace, inherited = dict(vars(cls)), set(specs)
        for name, kind in namespace.get("__annotations__", {}).items():
            if "ClassVar" not in str(kind):
                value = namespace.pop(name, _NOTHING)
                spec = value if isinstance(value, _Spec) else _Spec(default=value)
                spec.name, spec.type, spec.kw_only = name, kind, kw_only
                specs[name] = spec
        for name in ("__dict__", "__weakref__"):
            namespace.pop(name, None)
        namespace["__qualname__"] = cls.__qualname__
        namespace["__slots__"] = tuple(name for name in specs if name not in inherited)
        if eq and namespace.get("__hash__") is None:  # so Python leaves it where __eq__ is defined
            namespace["__hash__"] = _hash if frozen else None
        members = _members(specs, frozen=frozen, eq=eq)
        return type(cls)(cls.__name__, cls.__bases__, members | namespace)

    return decorate


def _members(specs: Mapping[str, _Spec], *, frozen: bool, eq: bool) -> dict[str, object]:
    fields = specs.values()
    members: dict[str, object] = {
        _SPECS: specs,
        "__dataclass_fields__": _Standard(frozen=frozen, eq=eq),
        "__dataclass_params__": _Standard(frozen=frozen, eq=eq),
        "__match_args__": tuple(each.name for each in fields if each.init and not each.kw_only),
        "__init__": _Init(frozen=frozen, eq=eq),
        "__given__": tuple(each.name for each in fields if each.init),
        "__repr__": _repr,
    }
    if eq:
        members["__eq__"] = _eq
        members["__compared__"] = _values_of(each.name for each in fields if each.compare)
        members["__hashed__"] = _values_of(
            each.name for each in fields if (each.compare if each.hash is None else each.hash)
        )
    if frozen:
        members |= {"__setattr__": _setattr, "__delattr__": _delattr}
        members |= {"__getstate__": _getstate, "__setstate__": _setstate}
    return members


def _values_of(names: Iterable[str]) -> Callable[[object], object]:
    """Return what makes a tuple of these attributes."""
    given = tuple(names)
    if not given:
        return type  # all are alike
    return attrgetter(*given, given[0])  # twice the first: of a single name, it makes no tuple


class _Made:
    """A member that is made when it is first looked up, and then takes this one's place."""

    def __init__(self, *, frozen: bool, eq: bool) -> None:
        self._frozen, self._eq = frozen, eq

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner, self._name = owner, name

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        made = self._make()
        setattr(self._owner, self._name, made)
        return made.__get__(instance, owner) if hasattr(made, "__get__") else made

    def _make(self) -> Any:
        raise NotImplementedError


class _Init(_Made):
    """`__init__`."""

    def _make(self) -> Any:
        specs: Mapping[str, _Spec] = vars(self._owner)[_SPECS]
        names: dict[str, Any] = {"_NOTHING": _NOTHING}
        first: list[str] = []
        last: list[str] = []
        body: list[str] = []
        for name, spec in specs.items():
            value = name
            if spec.factory is not _NOTHING:
                names[f"_make_{name}"], default = spec.factory, "_NOTHING"
                value = f"_make_{name}() if {name} is _NOTHING else {name}"
            elif spec.default is not _NOTHING:
                names[default := f"_default_{name}"] = spec.default
            else:
                default = ""
            if spec.init:
                parameters = last if spec.kw_only else first
                parameters.append(f"{name}={default}" if default else name)
            elif default:
                value = f"_make_{name}()" if spec.factory is not _NOTHING else default
            else:
                continue
            if self._frozen:
                names[f"_set_{name}"] = getattr(self._owner, name).__set__  # of its slot
                body.append(f"_set_{name}(self, {value})")
            else:
                body.append(f"self.{name} = {value}")
        if hasattr(self._owner, "__post_init__"):
            body.append("self.__post_init__()")
        taken = ", ".join(["self", *first, *(["*", *last] if last else [])])
        source = f"def __init__({taken}):\n " + "\n ".join(body or ["pass"])
        # Compiled first: Ctrl-C while exec() runs source text ends the process, even if caught.
        exec(compile(source, __file__, "exec"), names)  # noqa: S102
        made: Any = names["__init__"]
        made.__qualname__ = f"{self._owner.__qualname__}.__init__"
        made.__module__ = self._owner.__module__
        kinds = {n: each.type for n, each in specs.items() if each.init}
        made.__annotations__ = {**kinds, "return": None}
        return made


class _Standard(_Made):
    """`__dataclass_fields__` or `__dataclass_params__`, from a twin of the standard library."""

    def _make(self) -> Any:
        import dataclasses  # noqa: PLC0415  (imports a lot: it is what this module avoids)

        specs: Mapping[str, _Spec] = vars(self._owner)[_SPECS]
        twin: dict[str, Any] = {"__annotations__": {n: each.type for n, each in specs.items()}}
        for name, spec in specs.items():
            given: dict[str, Any] = {}
            if spec.default is not _NOTHING:
                given["default"] = spec.default
            if spec.factory is not _NOTHING:
                given["default_factory"] = spec.factory
            for option in ("init", "repr", "hash", "compare", "kw_only"):
                given[option] = getattr(spec, option)
            twin[name] = dataclasses.field(**given)
        made: Any = dataclasses.dataclass(frozen=self._frozen, eq=self._eq)(type("Twin", (), twin))
        return getattr(made, self._name)


def _repr(self: Any) -> str:
    shown = (f"{n}={getattr(self, n)!r}" for n, each in getattr(self, _SPECS).items() if each.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self.__compared__(self) == other.__compared__(other)


def _hash(self: Any) -> int:
    return hash(self.__hashed__(self))


def _refuse(self: Any, name: str, what: str) -> None:
    """Raise an error if this is a field, or a subclass has not made room for others."""
    if _SPECS in vars(type(self)) or name in getattr(self, _SPECS):
        from dataclasses import FrozenInstanceError  # noqa: PLC0415

        raise FrozenInstanceError(f"cannot {what} field {name!r}")


def _setattr(self: Any, name: str, value: object) -> None:
    _refuse(self, name, "assign to")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    _refuse(self, name, "delete")
    object.__delattr__(self, name)


def _getstate(self: Any) -> list[object]:
    return [getattr(self, name) for name in getattr(self, _SPECS)]


def _setstate(self: Any, state: Iterable[object]) -> None:
    for name, value in zip(getattr(self, _SPECS), state, strict=True):
        object.__setattr__(self, name, value)


def _specs_of(value: Any) -> Mapping[str, _Spec] | None:
    """Return the fields of a value or a class; None if it is not one of ours."""
    specs: Mapping[str, _Spec] | None
    specs = vars(value if isinstance(value, type) else type(value)).get(_SPECS)
    return specs


def _replace(value: Any, /, **changes: object) -> Any:
    if _specs_of(value) is None:
        import dataclasses  # noqa: PLC0415

        return dataclasses.replace(value, **changes)
    given = {name: getattr(value, name) for name in value.__given__}
    return type(value)(**(given | changes))


def _fields(value: Any) -> Any:
    if (specs := _specs_of(value)) is None:
        import dataclasses  # noqa: PLC0415

        return dataclasses.fields(value)
    return tuple(specs.values())


def _is_dataclass(value: Any) -> bool:
    return _specs_of(value) is not None or hasattr(value, "__dataclass_fields__")


if TYPE_CHECKING:
    from dataclasses import dataclass, field, fields, is_dataclass, replace
else:
    dataclass, field, fields = _dataclass, _Spec, _fields
    is_dataclass, replace = _is_dataclass, _replace

__all__ = ["dataclass", "field", "fields", "is_dataclass", "replace"]
