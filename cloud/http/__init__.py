"""The coordinator over HTTP: all its printers on a page, a page for each, state, metrics, health. Read only.

On a port of its own (`http.port`): printers connect to another, and neither sees the other's.
"""
