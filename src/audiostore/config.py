"""Which store to use, and how to reach it: the only reader of the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from audiostore.errors import ConfigurationError, shown

BUCKET_VARIABLE = "GCS_BUCKET_NAME"
BILLING_VARIABLE = "GCS_BILLING_PROJECT"
EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
CA_VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

# RFC 8089: no host but this one, and neither a query nor a fragment.
_FILE_URL = re.compile(r"file:(//(localhost)?)?(?P<path>/[^/?#\x00-\x20][^?#\x00-\x1f]*|/)")
# cloud.google.com/storage/docs/buckets#naming: 3 to 63 characters, or dotted names up to 222.
# Emulators allow shorter ones.
_BUCKET = re.compile(r"[a-z0-9]([a-z0-9._-]{0,220}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class BucketLocation:
    """A Google Cloud Storage bucket."""

    bucket: str

    @property
    def url(self) -> str:
        """``gs://bucket``."""
        return f"gs://{self.bucket}"


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
    """Return the location that ``my-bucket``, ``gs://my-bucket`` or ``file:///some/dir`` names.

    Raises:
        ConfigurationError: the URL names neither a bucket nor a directory.
    """
    return parse_directory(url) if url.startswith("file:") else parse_bucket(url)


def parse_directory(url: str) -> DirectoryLocation:
    """Return the directory that a ``file:`` URL names.

    Raises:
        ConfigurationError: it is not the URL of a local directory.
    """
    match = _FILE_URL.fullmatch(url)
    if match is None:
        raise ConfigurationError(
            f"{shown(url)} is not the URL of a local directory: write file:///absolute/path "
            "(with %23 for #, %3F for ?)"
        )
    return DirectoryLocation(Path(os.fsdecode(unquote_to_bytes(match["path"]))))


def parse_bucket(url: str) -> BucketLocation:
    """Return the bucket that ``my-bucket`` or ``gs://my-bucket`` names.

    Raises:
        ConfigurationError: it is not the name of a bucket.
    """
    bucket = url.removeprefix("gs://").rstrip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"{shown(url)} is not a bucket: give my-bucket, gs://my-bucket or file:///some/dir"
        )
    return BucketLocation(bucket)


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
            "bucket_name='my-bucket' (or 'file:///some/dir' to store in a directory)"
        )
    return bucket


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
    import platformdirs  # noqa: PLC0415  (not needed to parse a location)

    return platformdirs.user_state_path("audiostore")
