"""What the commands of this package have in common."""
