"""The journal of bulk runs: which item has which id, and what became of it."""
