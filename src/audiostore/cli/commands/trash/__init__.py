"""Show what is in the trash."""
