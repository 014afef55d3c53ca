"""Named queries, recording rules and, later, dashboards and alerts as code."""
