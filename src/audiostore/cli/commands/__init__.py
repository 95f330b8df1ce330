"""The commands: each takes the parsed options and returns the exit code."""
