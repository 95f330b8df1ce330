"""FFmpeg (PyAV) may not be installed: it is an extra, larger than all else together."""

from audiostore.errors import ConfigurationError, InspectionLimitError

EXTRA = "pip install 'audiostore[ffmpeg]'"
UNEXAMINED = 'check="none" stores it unexamined'
"""What can be done with a file that cannot be looked into."""


def is_installed() -> bool:
    """Say whether a sandbox worker can load FFmpeg."""
    from importlib.util import find_spec  # noqa: PLC0415  (few files need a worker)

    return find_spec("av") is not None


def missing_to_read() -> InspectionLimitError:
    """Return the error of a file that only FFmpeg can read, without FFmpeg."""
    return InspectionLimitError(
        f"only FFmpeg can tell what is in it, and FFmpeg is not installed: {EXTRA}; {UNEXAMINED}"
    )


def missing_to_decode() -> ConfigurationError:
    """Return the error of a file that is to be decoded, without FFmpeg."""
    return ConfigurationError(f"decoding audio needs FFmpeg, which is not installed: {EXTRA}")
