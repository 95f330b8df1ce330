"""Customers' keys: Cloud KMS keys (CMEK), and keys that come with each request (CSEK).

https://cloud.google.com/storage/docs/encryption/customer-managed-keys and
https://cloud.google.com/storage/docs/encryption/customer-supplied-keys: the key encrypts the data,
CRC32C and MD5 of an object; all else of it can be read, listed, changed and deleted without it. A
listing of the JSON API shows neither checksum of an object under a Cloud KMS key (there, under
restrictions); its own resource does. Errors: https://cloud.google.com/storage/docs/json_api/v1/status-codes.

`kmsKeyName` names the version that was used, but requests name the key without one
(https://github.com/googleapis/python-storage/issues/806).

Unverified: that the responses of patch, rewrite and restore show no checksums, which is the
strictest reading (for supplied keys, others have measured it), and that a restore needs no key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .errors import ApiError, invalid

VERSION = "/cryptoKeyVersions/1"
DEFAULT: Literal["default"] = "default"
"""The key that the bucket has for new objects, if any."""

_READ = "x-goog-encryption"
_COPY_FROM = "x-goog-copy-source-encryption"
_CHECKSUMS = ("crc32c", "md5Hash")
_SHOWING = frozenset(["session_chunk", "session_status", "stat", "upload"])


@dataclass(frozen=True)
class Encryption:
    """The key of one object: a Cloud KMS key (without its version), or a supplied one's SHA-256."""

    kms_key: str | None = None
    key_sha256: str | None = None


Chosen = Encryption | None | Literal["default"]


@dataclass
class Keys:
    """The Cloud KMS keys that cannot be used: disabled (or destroyed), or not granted."""

    disabled: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)

    def require(self, encryption: Chosen) -> None:
        """Refuse a Cloud KMS key that cannot be used."""
        key = encryption.kms_key if isinstance(encryption, Encryption) else None
        if key in self.disabled:
            raise ApiError(
                400,
                "cloudKmsDisabledKey",
                f"Cloud KMS key {key} is disabled, destroyed, or scheduled to be destroyed.",
            )
        if key in self.denied:
            raise ApiError(
                403,
                "forbidden",
                "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service "
                "account has been authorized to use this key.",
            )

    def require_readable(
        self, encryption: Encryption | None, headers: Mapping[str, str], *, copying: bool = False
    ) -> None:
        """Refuse to read an object's data without its key."""
        if not has_supplied_key(encryption, headers, copying=copying) and (
            encryption is not None and encryption.key_sha256 is not None
        ):
            raise ApiError(
                400,
                "resourceIsEncryptedWithCustomerEncryptionKey",
                "The target object is encrypted by a customer-supplied encryption key.",
            )
        self.require(encryption)

    def shown(
        self, encryption: Encryption | None, operation: str, headers: Mapping[str, str]
    ) -> bool:
        """Say whether a response shows the checksums of an object."""
        has_key = has_supplied_key(encryption, headers) if operation == "stat" else True
        if encryption is None:
            return True
        if operation not in _SHOWING or encryption.kms_key in self.disabled | self.denied:
            return False
        return encryption.key_sha256 is None or has_key


def has_supplied_key(
    encryption: Encryption | None, headers: Mapping[str, str], *, copying: bool = False
) -> bool:
    """Say whether a request supplies a key; refuse one that is not the object's."""
    prefix = _COPY_FROM if copying else _READ
    given = [headers.get(f"{prefix}-{name}") for name in ("algorithm", "key", "key-sha256")]
    if given == [None] * 3:
        return False
    algorithm, key, sha256 = given
    if algorithm != "AES256":
        raise invalid("Missing an encryption algorithm.", "customerEncryptionAlgorithmIsInvalid")
    try:
        raw = base64.b64decode(key or "", validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if len(raw) != 32:
        raise invalid("Missing an encryption key.", "customerEncryptionKeyFormatIsInvalid")
    if sha256 != sha256_of(raw):
        raise invalid(
            "Missing a SHA256 hash of the encryption key.", "customerEncryptionKeySha256IsInvalid"
        )
    if encryption is None or encryption.key_sha256 is None:
        raise invalid(
            "The target object is not encrypted by a customer-supplied encryption key.",
            "resourceNotEncryptedWithCustomerEncryptionKey",
        )
    if sha256 != encryption.key_sha256:
        raise invalid(
            "The provided encryption key is incorrect.", "customerEncryptionKeyIsIncorrect"
        )
    return True


def refuse_supplied_key(headers: Mapping[str, str]) -> None:
    """Refuse to store under a supplied key, which this server does for tests only (`put`)."""
    if any(header.startswith(_READ) for header in headers):
        raise ApiError(501, "notImplemented", "Storing under a supplied key is not implemented.")


def supplied(key: bytes) -> Encryption:
    """Return the encryption with a supplied key."""
    return Encryption(key_sha256=sha256_of(key))


def sha256_of(key: bytes) -> str:
    """Return the hash by which a key is known, in base64."""
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def named(kms_key: str | None) -> Chosen:
    """Return the encryption that a request names, by a key without its version."""
    if kms_key is None:
        return DEFAULT
    if "/cryptoKeyVersions/" in kms_key:
        raise invalid("Malformed Cloud KMS crypto key")
    return Encryption(kms_key)


def encryption_json(
    resource: dict[str, object], encryption: Encryption | None, *, shown: bool
) -> dict[str, object]:
    """Return an object resource with what it says about its key, and its checksums if shown."""
    if encryption is None:
        return resource
    kept = {k: v for k, v in resource.items() if shown or k not in _CHECKSUMS}
    if encryption.kms_key is not None:
        return {**kept, "kmsKeyName": f"{encryption.kms_key}{VERSION}"}
    key = {"encryptionAlgorithm": "AES256", "keySha256": encryption.key_sha256}
    return {**kept, "customerEncryption": key}
