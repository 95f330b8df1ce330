"""audiostore against independent judges, over folders of files that others made."""
