"""How much is tried at random: a bounded number of examples in the suite, more by `make fuzz`."""

import os
from typing import Final

FUZZ: Final = int(os.environ.get("FUZZ", "1"))
"""How many times the usual number of examples to try."""


def examples(usual: int) -> int:
    """Return how many examples to try, of which the suite tries `usual`."""
    return usual * FUZZ
