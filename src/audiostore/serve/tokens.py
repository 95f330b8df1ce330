"""A file of tokens: the hash of each, what it is for, and its name."""

import hmac
from pathlib import Path
from typing import Final, cast

from starlette.requests import HTTPConnection

from audiostore.dataclass import dataclass
from audiostore.errors import ConfigurationError, shown
from audiostore.serve.access import (
    ALL_SCOPES,
    Identity,
    Scope,
    bearer_token,
    refused_token,
    token_hash,
)
from audiostore.values import PathLike

_FIELDS: Final = 3
_HASH_DIGITS: Final = 64


@dataclass(frozen=True, slots=True)
class _Known:
    digest: str
    scopes: frozenset[Scope]
    name: str


class TokenFile:
    """The tokens that a file lists, a line each: SHA-256 of the token, scopes, a name.

    ::

        # sha256 of the token (64 hex digits)   scopes      name
        9f86d081884c7d659a2feaa0c55ad015…        read        website
        60303ae22b998861bce3b28f33eec1be…        read,write  studio

    The file is read once. ``write`` allows what changes the store, ``read`` all else.

    Raises:
        ConfigurationError: a line is not valid, or the file lists no token.
        OSError: the file cannot be read.
    """

    is_for_loopback = False
    has_tokens = True

    def __init__(self, path: PathLike) -> None:
        self._known = _read(Path(path))

    async def identify(self, request: HTTPConnection, cookie: str | None) -> Identity | None:
        """Return whose token the request has.

        Raises:
            RefusedError: the file does not list it (401).
        """
        given = bearer_token(request)
        token = cookie if given is None else given
        if token is None:
            return None
        digest = token_hash(token)
        found = [each for each in self._known if hmac.compare_digest(each.digest, digest)]
        if not found:
            raise refused_token()
        return Identity(found[0].name, found[0].scopes, is_ambient=given is None)


def _read(path: Path) -> list[_Known]:
    known = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        fields = line.split(maxsplit=_FIELDS - 1)
        digest = fields[0].lower()
        if len(digest) != _HASH_DIGITS or not set(digest) <= set("0123456789abcdef"):
            raise _invalid(path, number, "it does not begin with a SHA-256 of 64 hex digits")
        scopes = frozenset(fields[1].split(",")) if len(fields) > 1 else frozenset()
        if not scopes or not scopes <= ALL_SCOPES:
            raise _invalid(path, number, "its scopes are not read, write or read,write")
        if len(fields) < _FIELDS:
            raise _invalid(path, number, "it has no name after the scopes")
        known.append(_Known(digest, cast("frozenset[Scope]", scopes), fields[2].strip()))
    if not known:
        raise ConfigurationError(f"{shown(str(path))} lists no token", path=path)
    return known


def _invalid(path: Path, number: int, why: str) -> ConfigurationError:
    return ConfigurationError(f"line {number} of {shown(str(path))} is not valid: {why}", path=path)
