"""Recordings of jobs: written beside the printing, read by replay, export and reports."""
