"""From an Environment to text: the configuration, formats of platforms, variables of jobs."""
