"""The extras: what can be installed in addition, and what it is for."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would take longer than argparse
if TYPE_CHECKING:
    from collections.abc import Iterator


class Extra:
    """Packages that some commands need."""

    def __init__(self, name: str, modules: tuple[str, ...], gives: str) -> None:
        self.name = name
        self.modules = modules
        self.gives = gives

    @property
    def command(self) -> str:
        """What installs it."""
        return f"pip install 'audiostore[{self.name}]'"

    def missing(self) -> Iterator[str]:
        """Yield the modules that are not installed."""
        from importlib.util import find_spec  # noqa: PLC0415  (not for --help)

        for module in self.modules:
            if find_spec(module) is None:
                yield module

    def require(self) -> None:
        """Require that it is installed.

        Raises:
            ConfigurationError: it is not.
        """
        from audiostore.errors import ConfigurationError  # noqa: PLC0415  (not for --help)

        for module in self.missing():
            raise ConfigurationError(f"{module} is not installed: {self.command}")


FFMPEG = Extra(
    "ffmpeg",
    ("av",),
    "AAC without a container, WebM, WMA, CAF and odd files; --check full, loudness, waveforms and "
    "previews",
)
SERVE = Extra(
    "serve",
    ("starlette", "uvicorn", "python_multipart"),
    "'audiostore serve', the HTTP service and its page",
)
MCP = Extra("mcp", ("mcp",), "'audiostore mcp', tools for an assistant")
PARQUET = Extra("parquet", ("pyarrow",), "exports, manifests and inventory reports in Parquet")
DASK = Extra("dask", ("distributed",), "fleet runs on a Dask cluster")
BEAM = Extra("beam", ("apache_beam",), "fleet runs on Apache Beam")
EXTRAS = (FFMPEG, SERVE, MCP, PARQUET, DASK, BEAM)
