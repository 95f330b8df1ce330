"""A strict, in-process stand-in for Google Cloud Storage: its JSON API and related services.

`StrictServer` serves and records; `faults` holds the matchers and the actions of `fault`. Besides
objects and uploads it has the settings of buckets (`bucket_settings=`, `AS_NEW`, `configure`,
`bucket`), soft delete and restore, noncurrent versions, holds and retention, a clock (`advance`,
`now`), lifecycle rules on request (`run_lifecycle`), permissions (`permissions=`), service
accounts with signBlob (`service_account`), GET and HEAD by V4 signed URLs, which it verifies, and
objects under customers' keys (`encryption` of a bucket, `put(encryption=)`, `keys`).

It does what the documentation cited in its modules says. Behaviour that is not documented is marked
"unverified" there, with its source. None of it was compared with a real bucket.
"""

from . import faults
from .accounts import ServiceAccount
from .buckets import AS_NEW
from .connection import Request
from .encryption import Encryption, supplied
from .faults import Fault, Head, Matcher, Rule
from .lifecycle import Verdict
from .objects import StoredObject
from .server import StrictServer
from .sessions import QUANTUM, Session

__all__ = [
    "AS_NEW",
    "QUANTUM",
    "Encryption",
    "Fault",
    "Head",
    "Matcher",
    "Request",
    "Rule",
    "ServiceAccount",
    "Session",
    "StoredObject",
    "StrictServer",
    "Verdict",
    "faults",
    "supplied",
]
