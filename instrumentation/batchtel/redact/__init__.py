"""What is hidden before anything leaves the process."""
