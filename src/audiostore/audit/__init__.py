"""Whether a store holds what it should, and only that: problems, their remedies, repairs."""

from audiostore.audit.checking import Checked, check
from audiostore.audit.problems import GRACE, Problem
from audiostore.audit.repairing import Mended, repair

__all__ = ["GRACE", "Checked", "Mended", "Problem", "check", "repair"]
