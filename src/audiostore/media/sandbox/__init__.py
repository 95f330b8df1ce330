"""FFmpeg's libraries in worker processes with limits: a crafted file can only harm its worker.

Imports nothing: workers import their module through this package.
"""
