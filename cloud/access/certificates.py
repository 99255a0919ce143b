"""The coordinator's certificate: read again when its files change, so that a renewal needs no restart.

Connections that stand go on with the one they began with. One that cannot be used is named, and the old one stays.
"""

from __future__ import annotations

import ssl
from pathlib import Path

import structlog

from cloud.configuration import Listen
from cosmic.errors import ConfigurationError

_Seen = tuple[tuple[int, int, int] | None, ...]


class Certificates:
    """What TLS is spoken with.

    Attributes:
        context: given to the server once; what it holds is replaced. None: no TLS.
    """

    def __init__(self, listen: Listen) -> None:
        """Read the certificate. Raises ConfigurationError naming the file."""
        self.context = tls_context(listen)
        self._listen = listen
        self._seen = self._look()

    def refresh(self, *, anyway: bool = False) -> bool:
        """Read the files again where they have changed; return whether a new certificate is in force.

        anyway: read them even if they look as before.
        """
        if self.context is None:
            return False
        seen = self._look()
        if seen == self._seen and not anyway:
            return False
        self._seen = seen
        try:
            tls_context(self._listen)  # tried before the one in force is touched
            assert self._listen.certificate_file is not None
            self.context.load_cert_chain(self._listen.certificate_file, self._listen.key_file)
        except (ConfigurationError, OSError) as error:
            structlog.get_logger().error(
                "certificate_not_read", cause=str(error), remedy="mend it; the one before stays in force"
            )
            return False
        structlog.get_logger().info("certificate_read", file=self._listen.certificate_file)
        return True

    def _look(self) -> _Seen:
        return tuple(_state(name) for name in (self._listen.certificate_file, self._listen.key_file))


def _state(name: str | None) -> tuple[int, int, int] | None:
    if name is None:
        return None
    try:
        status = Path(name).stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def tls_context(listen: Listen) -> ssl.SSLContext | None:
    """Return what TLS is spoken with, None without a certificate. Raises ConfigurationError naming the file."""
    if listen.certificate_file is None and listen.key_file is None:
        return None
    if listen.certificate_file is None or listen.key_file is None:
        raise ConfigurationError(
            "certificate_file and key_file go together", where="listen", remedy="set both or none"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listen.certificate_file, listen.key_file)
    except OSError as error:  # ssl.SSLError is one as well
        raise ConfigurationError(
            f"the certificate or its key cannot be used: {error.strerror or error}",
            where=f"listen, {listen.certificate_file}, {listen.key_file}",
            remedy="name a PEM certificate chain and its key, readable by this user",
        ) from error
    return context
