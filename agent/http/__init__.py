"""The agent over HTTP: the live page, its updates, `/api/state`, `/metrics`, `/healthz`, `/readyz`. Read only.

`Live` takes note of what the printing tells; `Page` shows it. Printing never waits for either.
"""
