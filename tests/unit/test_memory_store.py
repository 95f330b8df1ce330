"""What the store in memory does not share with the others."""

import pickle

import pytest

from audiostore import MemoryStore


def test_a_store_in_memory_is_never_copied_silently_to_another_process() -> None:
    with pytest.raises(TypeError, match="cannot be sent to another"):
        pickle.dumps(MemoryStore())
