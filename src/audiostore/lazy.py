"""Lazy packages: their names are imported at first use, so importing the package is cheap."""

import sys

TYPE_CHECKING = False  # as typing has it; importing typing would double the time to start
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def lazy_names(
    package: str, homes: "Mapping[str, str]"
) -> "tuple[Callable[[str], object], Callable[[], list[str]]]":
    """Return `__getattr__` and `__dir__` (PEP 562) of a package.

    Args:
        package: its name.
        homes: for each module in the package, the names to export from it, separated by spaces.
    """
    home_of = {name: module for module, names in homes.items() for name in names.split()}

    def get(name: str) -> object:
        try:
            home = home_of[name]
        except KeyError:
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None
        from importlib import import_module  # noqa: PLC0415  (not needed to start)

        value = getattr(import_module(f"{package}.{home}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get, lambda: sorted(home_of)
