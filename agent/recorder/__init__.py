"""Recordings of jobs: written beside the printing, read by replay, export and reports.

`agent.recorder.reading` needs nothing else of the agent, and no extra but `recording`.
"""
