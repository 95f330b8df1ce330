"""Attributes that are made when they are first read."""

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

from audiostore.forking import imports

T = TypeVar("T")


class lazy_property(Generic[T]):  # noqa: N801  (a decorator, like property)
    """A property that is made once for each object; threads that race for it get the same.

    `functools.cached_property` has a lock that all objects of a class share, before Python 3.12: a
    child that was forked while it was held would wait for it forever.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        if instance is None:
            return self
        with imports:
            made = self._make(instance)
        value: T = vars(instance).setdefault(self._name, made)
        return value
