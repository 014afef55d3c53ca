"""Environment files: reading, layers and validation, up to an Environment."""
