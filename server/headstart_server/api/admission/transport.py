"""Transport security: plain connections or TLS, with certificates that are read again when their files change."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import grpc

from headstart_server.runtime.errors import StartupError
from headstart_server.runtime.settings import Settings

logger = logging.getLogger(__name__)


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """Credentials for TLS; None for plain connections. Raises StartupError for files that cannot be read."""
    if settings.tls_certificate_file is None or settings.tls_key_file is None:
        return None
    files = _Files(settings.tls_certificate_file, settings.tls_key_file, settings.tls_client_ca_file)
    try:
        first = files.read()
    except OSError as error:
        raise StartupError(f"TLS: {error.filename}: {error.strerror}") from None
    credentials: grpc.ServerCredentials = grpc.dynamic_ssl_server_credentials(
        first, files.changed, require_client_authentication=settings.authentication == "certificate"
    )
    return credentials


class _Files:
    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._seen: list[int] = []

    def read(self) -> grpc.ServerCertificateConfiguration:
        self._seen = self._times()
        authority = None if self._client_ca is None else self._client_ca.read_bytes()
        pair = (self._key.read_bytes(), self._certificate.read_bytes())
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)

    def changed(self) -> Any:
        """Called at each handshake: None if the files are unchanged, or cannot be read."""
        try:
            return None if self._times() == self._seen else self.read()
        except OSError:
            logger.exception("certificates cannot be read: those before stay")
            return None

    def _times(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in (self._certificate, self._key, self._client_ca) if path is not None]
