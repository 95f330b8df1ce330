"""Working off many tasks at once: processes, threads, and how many of them."""
