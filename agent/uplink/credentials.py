"""What the agent shows the coordinator, and whom it believes: the printer's token and the trusted certificates."""

from __future__ import annotations

import ssl
from pathlib import Path

from agent.configuration import Uplink as UplinkSettings
from cosmic.errors import ConfigurationError


def read_token(settings: UplinkSettings) -> str:
    """Return the token of `uplink.token_file`, empty where none is named. Raises ConfigurationError."""
    if not settings.token_file:
        return ""
    try:
        token = Path(settings.token_file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"the token cannot be read: {error}",
            where="uplink.token_file",
            remedy="make one with 'cosmic-cloud token add PRINTER' and write it to that file",
        ) from error
    if not token or not token.isascii() or any(character.isspace() for character in token):
        raise ConfigurationError(
            "the file does not hold a token",
            where=f"uplink.token_file {settings.token_file}",
            why="a token is one word of ASCII",
            remedy="make one with 'cosmic-cloud token add PRINTER'",
        )
    return token


def tls_context(settings: UplinkSettings) -> ssl.SSLContext | None:
    """Return how TLS is done for a `wss:` address (1.2 or newer), None for others. Raises ConfigurationError."""
    if not settings.url.startswith("wss:"):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificates cannot be read: {error}",
            where=f"uplink.ca_file {settings.ca_file}",
            remedy="name a PEM file with the certificates to trust",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
