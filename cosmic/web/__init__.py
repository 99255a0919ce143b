"""What both live pages stand on: a small, guarded, read-only web server, a stream of updates, and metrics.

Nothing here knows of printers or coordinators. aiohttp and prometheus-client come with the extra `http`; only
`settings` and `missing` may be imported without it.
"""
