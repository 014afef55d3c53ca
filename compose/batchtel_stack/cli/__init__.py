"""What several commands of the stack have in common."""
