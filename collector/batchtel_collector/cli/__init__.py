"""The commands of the collector side."""
