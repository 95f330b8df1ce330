"""Show what is in the trash."""

GROUP = "delete and restore"
