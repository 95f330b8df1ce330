"""What `audiostore serve` gives its clients, beside what nginx does: see `__main__`."""
