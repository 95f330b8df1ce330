"""Runs all peers in turns, with the same work on the same server."""
