"""What may be typed behind each command."""
