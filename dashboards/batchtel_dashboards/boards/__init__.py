"""Boards of Grafana as code: layout here, queries in the modules of queries; the JSON that is built is what ships."""
