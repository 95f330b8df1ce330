"""Which store to use, and how to reach it: the only reader of the environment."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes

from audiostore.dataclass import dataclass
from audiostore.errors import ConfigurationError, shown
from audiostore.patterns import pattern

BUCKET_VARIABLE = "GCS_BUCKET_NAME"
STORE_VARIABLE = "AUDIOSTORE_STORE"
CONFIG_VARIABLE = "AUDIOSTORE_CONFIG"
BILLING_VARIABLE = "GCS_BILLING_PROJECT"
EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
CA_VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

# RFC 8089: no host but this one, and neither a query nor a fragment.
_FILE_URL = pattern(r"file:(//(localhost)?)?(?P<path>/[^/?#\x00-\x20][^?#\x00-\x1f]*|/)")
# cloud.google.com/storage/docs/buckets#naming: 3 to 63 characters, or dotted names up to 222.
# Emulators allow shorter ones.
_BUCKET = pattern(r"[a-z0-9]([a-z0-9._-]{0,220}[a-z0-9])?")
_SCHEME = pattern(r"[A-Za-z][A-Za-z0-9+.-]*:")
# cloud.google.com/storage/docs/objects#naming: 1024 bytes of UTF-8 for a whole name; neither
# control characters nor what gcloud reads as wildcards.
_LONGEST_PREFIX_BYTES = 900
_NOT_IN_PREFIX = pattern(r"[\x00-\x1f\x7f-\x9f\[\]*?#\ud800-\udfff]")
_LIBRARY = "audio"
"""The folder that a store keeps its assets in (`asset.FileOrganizer.AUDIO_ROOT`)."""
_VALID_BUCKETS = "give my-bucket, gs://my-bucket or gs://my-bucket/prefix"
_VALID = "give my-bucket, gs://my-bucket, gs://my-bucket/prefix, ./dir or file:///some/dir"


@dataclass(frozen=True, slots=True)
class BucketLocation:
    """A Google Cloud Storage bucket, or what lies under a prefix in one."""

    bucket: str
    prefix: str = ""
    """Without a slash at its ends; "" for the whole bucket."""

    @property
    def url(self) -> str:
        """``gs://bucket`` or ``gs://bucket/prefix``."""
        return f"gs://{self.bucket}/{self.prefix}" if self.prefix else f"gs://{self.bucket}"


@dataclass(frozen=True, slots=True)
class DirectoryLocation:
    """A directory on this machine."""

    path: Path

    @property
    def url(self) -> str:
        """``file:///directory``."""
        return self.path.absolute().as_uri()


Location = BucketLocation | DirectoryLocation


def parse_location(url: str) -> Location:
    """Return the location that a URL, the name of a bucket, or the path of a directory names.

    ``my-bucket``, ``gs://my-bucket``, ``gs://my-bucket/prefix``, ``file:///some/dir``, ``./dir``,
    ``../dir``, ``/dir`` and ``~/dir`` are understood: a plain word is a bucket's name.

    Raises:
        ConfigurationError: the URL names neither a bucket nor a directory.
    """
    return parse_directory(url) if is_directory(url) else _bucket(url, or_directory=True)


def is_directory(url: str) -> bool:
    """Say whether this is the ``file:`` URL or the path of a directory, valid or not."""
    return url.startswith(("file:", "/", "./", "../", "~")) or url in (".", "..")


def names_directory(url: str) -> bool:
    """Say whether this would be the name of a bucket, and there is a directory of this name."""
    return ":" not in url and not is_directory(url) and os.path.isdir(url)  # noqa: PTH112  (a text)


def absolute_url(url: str, base: Path | None = None) -> str:
    """Return a URL that stays right when the working directory changes: that of a path.

    Args:
        url: any that names a store; of those, paths alone are relative.
        base: the directory that a path is relative to; None for the working directory.

    Raises:
        ConfigurationError: it is the path of no directory.
    """
    if url.startswith("file:") or not is_directory(url):
        return url
    return _at_path(url, base).url


def parse_directory(url: str) -> DirectoryLocation:
    """Return the directory that a ``file:`` URL or a path names.

    Raises:
        ConfigurationError: it is not that of a local directory.
    """
    if not url.startswith("file:"):
        return _at_path(url)
    match = _FILE_URL.fullmatch(url)
    if match is None:
        raise ConfigurationError(
            f"{shown(url)} is not the URL of a local directory: write file:///absolute/path "
            "(with %23 for #, %3F for ?)"
        )
    return DirectoryLocation(Path(os.fsdecode(unquote_to_bytes(match["path"]))))


def _at_path(text: str, base: Path | None = None) -> DirectoryLocation:
    if "\0" in text:
        raise ConfigurationError(f"{shown(text)} is not the path of a directory: it contains NUL")
    try:
        path = Path(text).expanduser()
        path = path if path.is_absolute() else (base or Path.cwd()) / path
        # One directory has one name, by which the journals of its uploads are found. What ".."
        # leaves may be a symbolic link.
        return DirectoryLocation(path.resolve() if ".." in path.parts else path)
    except (ValueError, RuntimeError, OSError) as error:  # no such user, no working directory
        raise ConfigurationError(f"{shown(text)} is not the path of a directory: {error}") from None


def parse_bucket(url: str) -> BucketLocation:
    """Return what ``my-bucket``, ``gs://my-bucket`` or ``gs://my-bucket/prefix`` names.

    Raises:
        ConfigurationError: it is not the name of a bucket, or the prefix is not valid.
    """
    if is_directory(url):
        raise ConfigurationError(f"{shown(url)} is a directory, not a bucket: {_VALID_BUCKETS}")
    return _bucket(url, or_directory=False)


def _bucket(url: str, *, or_directory: bool) -> BucketLocation:
    """Return a bucket; or_directory: say in errors how a directory would be named."""
    bucket, _, prefix = url.removeprefix("gs://").rstrip("/").partition("/")
    if _BUCKET.fullmatch(bucket) and not (prefix and not url.startswith("gs://")):
        return BucketLocation(bucket, checked_prefix(bucket, prefix))
    valid = _VALID if or_directory else _VALID_BUCKETS
    scheme = _SCHEME.match(url)
    if scheme and scheme[0] != "gs:":
        raise ConfigurationError(
            f"{shown(url)} is not a bucket, and {scheme[0]}// is not supported: {valid}"
        )
    if or_directory and scheme is None and names_directory(url):
        raise ConfigurationError(
            f"{shown(url)} is not a bucket: give ./{shown(url)[1:-1]} for the directory"
        )
    if _BUCKET.fullmatch(bucket):
        valid = f"give gs://{shown(url)[1:-1]} for a prefix in one"
        if or_directory:
            valid += f", or ./{shown(url)[1:-1]} for a directory"
    raise ConfigurationError(f"{shown(url)} is not a bucket: {valid}")


def checked_prefix(bucket: str, prefix: str) -> str:
    """Return a prefix in a bucket without slashes at its end.

    Raises:
        ConfigurationError: it is not valid.
    """
    prefix = prefix.rstrip("/")
    wrong = _wrong_with(prefix, bucket) if prefix else None
    if wrong is None:
        return prefix
    url = f"gs://{bucket}/{prefix}"
    raise ConfigurationError(f"{shown(url)} is not a valid prefix in a bucket: {wrong}")


def _wrong_with(prefix: str, bucket: str) -> str | None:
    """Return what is wrong with a prefix, None if nothing is.

    Percent signs are literal, as in gcloud. The folder of assets is refused anywhere in it: a
    library in that of another would be reached by its rules and its repairs.
    """
    if found := _NOT_IN_PREFIX.search(prefix):
        return f"it contains {shown(found[0])}"
    segments = prefix.split("/")
    for bad in ("", ".", ".."):
        if bad in segments:
            return f"it contains the segment {bad!r}" if bad else "it contains an empty segment"
    if _LIBRARY in segments:
        library = "/".join([f"gs://{bucket}", *segments[: segments.index(_LIBRARY)]])
        return (
            f"{library} keeps its assets in the folder {_LIBRARY}: name {library}, or a prefix "
            "without such a folder"
        )
    size_bytes = len(prefix.encode())
    if size_bytes > _LONGEST_PREFIX_BYTES:
        return f"it has {size_bytes} bytes; at most {_LONGEST_PREFIX_BYTES} are possible"
    return None


def configured_bucket(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the value of GCS_BUCKET_NAME, None if it is unset or empty."""
    return environ.get(BUCKET_VARIABLE) or None


def require_configured_bucket(environ: Mapping[str, str] = os.environ) -> str:
    """Return the value of GCS_BUCKET_NAME.

    Raises:
        ConfigurationError: it is unset or empty.
    """
    bucket = configured_bucket(environ)
    if bucket is None:
        raise ConfigurationError(
            f"no bucket is configured: set {BUCKET_VARIABLE} to a bucket's name, or pass "
            "bucket_name='my-bucket' (or './dir' to store in a directory)"
        )
    return bucket


def configured_store(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the name of a store in AUDIOSTORE_STORE, None if it is unset or empty."""
    return environ.get(STORE_VARIABLE) or None


def config_file(environ: Mapping[str, str] = os.environ) -> tuple[Path, bool]:
    """Return where the configuration is, and whether AUDIOSTORE_CONFIG names it.

    Otherwise it is ``config.toml`` in the user's directory for configuration (XDG_CONFIG_HOME on
    Linux).
    """
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named), True
    return user_directory("config", environ) / "config.toml", False


def billing_project(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the value of GCS_BILLING_PROJECT, None if it is unset or empty."""
    return environ.get(BILLING_VARIABLE) or None


def emulator_endpoint(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the base URL in STORAGE_EMULATOR_HOST, None if it is unset or empty."""
    host = environ.get(EMULATOR_VARIABLE, "").rstrip("/")
    if not host:
        return None
    return host if "://" in host else f"http://{host}"


def ca_bundle(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the file of trusted certificates named by the environment, None if unset."""
    return next((environ[name] for name in CA_VARIABLES if environ.get(name)), None)


def state_directory() -> Path:
    """Return the user's directory for state kept between runs (XDG_STATE_HOME on Linux)."""
    return user_directory("state")


def user_directory(
    kind: Literal["config", "data", "state"], environ: Mapping[str, str] = os.environ
) -> Path:
    """Return the user's directory for what is configured, stored, or kept between runs.

    By the XDG Base Directory Specification 0.8, which ignores relative paths; without its
    variables, macOS has one directory for all.
    """
    home = environ.get(f"XDG_{kind.upper()}_HOME", "")
    if not os.path.isabs(home):  # noqa: PTH117  (a text)
        usual = {"config": "~/.config", "data": "~/.local/share", "state": "~/.local/state"}[kind]
        is_macos = sys.platform == "darwin"
        home = os.path.expanduser("~/Library/Application Support" if is_macos else usual)  # noqa: PTH111
    return Path(home, "audiostore")
