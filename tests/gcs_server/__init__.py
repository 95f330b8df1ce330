"""A strict, in-process stand-in for the JSON API of Google Cloud Storage.

`StrictServer` serves and records; `faults` holds the matchers and the actions of `fault`.
"""

from . import faults
from .connection import Request
from .faults import Fault, Head, Matcher, Rule
from .server import StrictServer
from .sessions import QUANTUM, Session
from .state import StoredObject

__all__ = [
    "QUANTUM",
    "Fault",
    "Head",
    "Matcher",
    "Request",
    "Rule",
    "Session",
    "StoredObject",
    "StrictServer",
    "faults",
]
