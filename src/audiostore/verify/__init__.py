"""Whether a bucket keeps the promises that audiostore relies on: tried on a scratch prefix."""

from audiostore.verify.checks import CHECKS
from audiostore.verify.cost import VerifyCost, cost_of
from audiostore.verify.values import BrokenPromiseError, Check, NotShownError, Outcome, Row
from audiostore.verify.verification import Verification

__all__ = [
    "CHECKS",
    "BrokenPromiseError",
    "Check",
    "NotShownError",
    "Outcome",
    "Row",
    "Verification",
    "VerifyCost",
    "cost_of",
]
