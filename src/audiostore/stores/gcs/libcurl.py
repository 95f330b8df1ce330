"""The module `pycurl`, without its interface for asyncio.

The package imports that interface in any case, and with it `dataclasses` and `inspect`: that takes
a fortieth of one `put`. Its extension module is all that is used here; what ``import pycurl`` gives
elsewhere are the same classes.
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import TYPE_CHECKING

_EXTENSION = "pycurl._pycurl"


def _load() -> ModuleType:
    package = find_spec("pycurl")
    places = package and package.submodule_search_locations
    spec = PathFinder.find_spec(_EXTENSION, places) if places else None
    if "pycurl" in sys.modules or spec is None or spec.loader is None:
        import pycurl  # noqa: PLC0415  (imported already; or, before 7.46, no package)

        return pycurl
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[_EXTENSION] = module
    return module


if TYPE_CHECKING:
    import pycurl
else:
    pycurl = _load()

__all__ = ["pycurl"]
