"""The collector side: environments, templates, the renderer and the checks."""
