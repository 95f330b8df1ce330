"""Whether a store holds what it should, and only that: problems, their remedies, repairs."""
