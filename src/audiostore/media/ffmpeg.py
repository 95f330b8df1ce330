"""FFmpeg (PyAV) may not be installed: it is an extra, larger than all else together."""

EXTRA = "pip install 'audiostore[ffmpeg]'"


def is_installed() -> bool:
    """Say whether a sandbox worker can load FFmpeg."""
    from importlib.util import find_spec  # noqa: PLC0415  (few files need a worker)

    return find_spec("av") is not None
