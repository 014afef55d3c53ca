"""What every part of a job process may use: bounded, silent and harmless by itself."""
