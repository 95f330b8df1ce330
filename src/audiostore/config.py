"""Which store is meant, and how it is reached: the only reader of the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from audiostore.errors import ConfigurationError

BUCKET_VARIABLE = "GCS_BUCKET_NAME"
EMULATOR_VARIABLE = "STORAGE_EMULATOR_HOST"
CA_VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")

# cloud.google.com/storage/docs/buckets#naming: 3 to 63 characters, or dotted names up to 222. The
# emulators allow shorter ones.
# RFC 8089: no host but this one, and neither a query nor a fragment.
_FILE_URL = re.compile(r"file:(//(localhost)?)?(?P<path>/[^/?#\x00-\x20][^?#\x00-\x1f]*|/)")
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
    """Return the store that ``my-bucket``, ``gs://my-bucket`` or ``file:///some/dir`` names.

    Raises:
        ConfigurationError: it names none.
    """
    if url.startswith("file:"):
        match = _FILE_URL.fullmatch(url)
        if match is None:
            raise ConfigurationError(
                f"{url!r} is not the URL of a local directory: write file:///absolute/path "
                "(with %23 for #, %3F for ?)"
            )
        return DirectoryLocation(Path(os.fsdecode(unquote_to_bytes(match["path"]))))
    bucket = url.removeprefix("gs://").rstrip("/")
    if not _BUCKET.fullmatch(bucket):
        raise ConfigurationError(
            f"{url!r} is not a bucket: give my-bucket, gs://my-bucket or file:///some/dir"
        )
    return BucketLocation(bucket)


def configured_bucket(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return what GCS_BUCKET_NAME says, None if it says nothing."""
    return environ.get(BUCKET_VARIABLE) or None


def require_configured_bucket(environ: Mapping[str, str] = os.environ) -> str:
    """Return what GCS_BUCKET_NAME says.

    Raises:
        ConfigurationError: it says nothing.
    """
    bucket = configured_bucket(environ)
    if bucket is None:
        raise ConfigurationError(
            f"no bucket is configured: set {BUCKET_VARIABLE} to a bucket's name, or pass "
            "bucket_name='my-bucket' (or 'file:///some/dir' to store in a directory)"
        )
    return bucket


def emulator_endpoint(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the base URL that STORAGE_EMULATOR_HOST gives, None if it gives none."""
    host = environ.get(EMULATOR_VARIABLE, "").rstrip("/")
    if not host:
        return None
    return host if "://" in host else f"http://{host}"


def ca_bundle(environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the file of trusted certificates that the environment names, None if none."""
    return next((environ[name] for name in CA_VARIABLES if environ.get(name)), None)


def state_directory() -> Path:
    """Return the user's directory for what is kept between runs (XDG_STATE_HOME on Linux)."""
    import platformdirs  # noqa: PLC0415  (not needed to parse a location)

    return platformdirs.user_state_path("audiostore")
