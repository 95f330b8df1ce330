"""The samples of each format: one module a format, which defines ``SAMPLES`` by their names."""
