"""libcurl, by pycurl's extension module, without the rest of that package.

The package also imports its adapter for asyncio, which nothing here uses, and with that `inspect`:
a tenth of all that one `put` imports (see docs/decisions/0021).
"""

import sys
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pycurl
else:

    def _extension() -> Any:
        name = "pycurl._pycurl"
        if name in sys.modules:
            return sys.modules[name]
        package = find_spec("pycurl")
        places = package and package.submodule_search_locations
        spec = PathFinder.find_spec(name, places) if places else None
        if spec is None or spec.loader is None:  # in older versions, the package is the extension
            import pycurl  # noqa: PLC0415  (as it is, or to say what is missing)

            return pycurl
        module = sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    pycurl = _extension()

__all__ = ["pycurl"]
