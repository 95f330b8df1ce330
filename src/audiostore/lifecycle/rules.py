"""Our lifecycle rules: what each does, and how the JSON API writes it. Pure functions.

Format: cloud.google.com/storage/docs/json_api/v1/buckets#lifecycle.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

from audiostore.asset import AUDIO, PARTS, FileOrganizer, Part
from audiostore.dataclass import dataclass
from audiostore.lifecycle.policy import Policy
from audiostore.media import AUDIO_FORMATS, IMAGE_FORMATS
from audiostore.values import BlobInfo

RuleResource = Mapping[str, object]
"""As the JSON API writes it: ``{"action": {…}, "condition": {…}}``."""
Purpose = Literal[
    "move audio",
    "delete audio",
    "delete expired audio",
    "delete other expired parts",
    "delete old generations",
    "abort uploads",
    "delete incoming",
]
Subject = Literal["audio", "other parts", "all"]
"""Which objects below the root of a rule it is about."""

COLDEST_FIRST = ("ARCHIVE", "COLDLINE", "NEARLINE", "STANDARD")
ROOT = f"{FileOrganizer.AUDIO_ROOT}/"
INCOMING = f"{FileOrganizer.INCOMING_ROOT}/"
PURPOSES: Mapping[tuple[str, str, Subject], Purpose] = {
    # action, the condition that counts days, which objects
    ("SetStorageClass", "age", "audio"): "move audio",
    # By its own age alone, artwork could go before audio that was moved by hand, and is younger
    # therefore. Artwork whose audio is gone is removed when the store is checked and repaired.
    ("Delete", "age", "audio"): "delete audio",
    # A bucket looks at each object by itself, in any order: other parts go a day after the audio,
    # so that no reader sees half an asset.
    ("Delete", "daysSinceCustomTime", "audio"): "delete expired audio",
    ("Delete", "daysSinceCustomTime", "other parts"): "delete other expired parts",
    ("Delete", "daysSinceNoncurrentTime", "all"): "delete old generations",
    ("AbortIncompleteMultipartUpload", "age", "all"): "abort uploads",
    ("Delete", "age", "all"): "delete incoming",
}
_KINDS = {purpose: kind for kind, purpose in PURPOSES.items()}
_OF_UPLOADS: tuple[Purpose, ...] = ("abort uploads", "delete incoming")
"""About what is not an asset yet."""
FIXED_DAYS: Mapping[Purpose, int] = {"delete expired audio": 0, "delete other expired parts": 1}


@dataclass(frozen=True, slots=True)
class OwnRule:
    """One of our rules, whichever release wrote it."""

    purpose: Purpose
    days: int
    suffixes: frozenset[str]
    """Ends of the object names that it is about; empty: all objects of our assets."""
    storage_class: str = ""
    """Where audio is moved; "" for the other purposes."""

    @property
    def current(self) -> "OwnRule":
        """The same rule as this release writes it."""
        return _own_rule(self.purpose, self.days, self.storage_class)

    @property
    def description(self) -> str:
        """What it does, as a sentence."""
        days = "a day" if self.days == 1 else f"{self.days} days"
        sentences: Mapping[Purpose, str] = {
            "move audio": f"move audio to {self.storage_class}, {days} after it was stored",
            "delete audio": f"delete audio {days} after it was stored",
            "delete expired audio": "delete assets when their expiry date has come",
            "delete other expired parts": "delete their artwork and other parts a day later",
            "delete old generations": (
                f"delete old generations {days} after they were replaced or deleted"
            ),
            "abort uploads": f"abort unfinished multipart uploads after {days}",
            "delete incoming": f"delete uploads in steps that were not completed within {days}",
        }
        return sentences[self.purpose]

    def applies_to(self, blob: BlobInfo, now: datetime) -> bool:
        """Say whether a live object is to be moved or deleted now.

        As a bucket counts: in whole days from the moment itself.
        """
        clock = _KINDS[self.purpose][1]
        since = blob.created_at if clock == "age" else blob.custom_time
        return (
            self.purpose not in ("delete old generations", *_OF_UPLOADS)
            and blob.name.endswith(tuple(self.suffixes))
            and (not self.storage_class or blob.storage_class in _warmer_than(self.storage_class))
            and since is not None
            and now - since >= timedelta(days=self.days)
        )

    def to_json(self, prefix: str = "") -> RuleResource:
        """Return the rule as the JSON API writes it.

        Args:
            prefix: what the names of the store's objects begin with in its bucket.
        """
        action, clock, _ = _KINDS[self.purpose]
        moves = self.purpose == "move audio"
        values: dict[str, object] = {clock: self.days}
        if self.purpose not in _OF_UPLOADS:
            values["isLive"] = self.purpose != "delete old generations"
        values["matchesPrefix"] = [
            prefix + (INCOMING if self.purpose == "delete incoming" else ROOT)
        ]
        if moves:
            values["matchesStorageClass"] = sorted(_warmer_than(self.storage_class))
        if self.suffixes:
            values["matchesSuffix"] = sorted(self.suffixes)
        return {
            "action": {"type": action, **({"storageClass": self.storage_class} if moves else {})},
            "condition": values,
        }


def own_rules(policy: Policy) -> tuple[OwnRule, ...]:
    """Return the rules by which a store follows a policy."""
    rules = [_own_rule("move audio", days, name) for name, days in policy.class_days.items()]
    if policy.expire_after_days is not None:
        rules.append(_own_rule("delete audio", policy.expire_after_days))
    if policy.expire_on_custom_time:
        rules += [_own_rule(purpose, days) for purpose, days in FIXED_DAYS.items()]
    if policy.delete_old_generations_after_days is not None:
        days = policy.delete_old_generations_after_days
        rules.append(_own_rule("delete old generations", days))
    if policy.abort_uploads_after_days is not None:
        rules.append(_own_rule("abort uploads", policy.abort_uploads_after_days))
    if policy.delete_incoming_after_days is not None:
        rules.append(_own_rule("delete incoming", policy.delete_incoming_after_days))
    return tuple(rules)


def rules_of(policy: Policy, prefix: str = "") -> tuple[RuleResource, ...]:
    """Return the rules by which a store follows a policy, as the JSON API writes them."""
    return tuple(rule.to_json(prefix) for rule in own_rules(policy))


def _own_rule(purpose: Purpose, days: int, storage_class: str = "") -> OwnRule:
    match _KINDS[purpose][2]:
        case "audio":
            suffixes = _suffixes([AUDIO])
        case "other parts":
            suffixes = _suffixes(part for part in PARTS.values() if part is not AUDIO)
        case "all":
            suffixes = frozenset()
    return OwnRule(purpose, days, suffixes, storage_class)


def _suffixes(parts: Iterable[Part]) -> frozenset[str]:
    formats = {"audio": AUDIO_FORMATS, "image": IMAGE_FORMATS, "data": ()}
    return frozenset(
        f"/{part.name}{extension}"
        for part in parts
        for extension in part.extensions
        or (extension for each in formats[part.holds] for extension in each.extensions)
    )


def _warmer_than(storage_class: str) -> tuple[str, ...]:
    return COLDEST_FIRST[COLDEST_FIRST.index(storage_class) + 1 :]
