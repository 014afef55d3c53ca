"""Whether a rendered configuration is one that a real collector starts with."""
