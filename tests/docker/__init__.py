"""compose.yaml, the images and jobs in containers, on a real Docker engine."""
