"""Many assets at once: what is to be stored, who keeps count, and the workers."""
