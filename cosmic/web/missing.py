"""Says which extra is missing where a web server is configured and its libraries are not installed."""

from __future__ import annotations

from importlib.util import find_spec

from cosmic.errors import ConfigurationError

LIBRARIES = ("aiohttp", "prometheus_client")


def check_libraries() -> None:
    """Raise ConfigurationError naming the extra when aiohttp or prometheus-client is not installed."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{' and '.join(missing)} is not installed",
            where="http.port",
            why="the live page, metrics and health need it",
            remedy='pip install "cosmic-lpbf[http]", or remove http.port',
        )
