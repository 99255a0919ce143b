"""The network link between the coordinator and its workers: frames over TCP, no pickle, vectors not copied.

`cloud.link.link` is the coordinator's end and `cloud.link.worker` the worker's, which imports numpy and no more.
Why this and not a message library: docs/explanation/decisions/worker-link.md.
"""
