"""Breaks the core on purpose, one place at a time, to see whether a test notices."""
