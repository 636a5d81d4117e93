"""Mutual TLS between the suite's processes, with certificates that may change while a process runs.

A process is given a folder with `ca.crt` (the suite's authority), `tls.crt` (its certificate and chain) and `tls.key`,
as Kubernetes and cert-manager lay them out. A certificate's name is `<process>.mcpanel.internal`: a client checks that
it is the server's it means, a server knows by it who calls.
"""

import logging
import os
import time
from pathlib import Path
from typing import Final

import grpc

log = logging.getLogger(__name__)

_FILES: Final = ("ca.crt", "tls.crt", "tls.key")
_LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files."""

Version = tuple[tuple[int, int, int], ...]


class CertificateError(Exception):
    """The folder holds no usable certificate; the message says what is missing."""


class Certificates:
    """The certificate in a folder, as it is now."""

    def __init__(self, folder: Path) -> None:
        """Raises CertificateError when a file is missing."""
        self._folder = folder
        self._looked = 0.0
        self._version = self._look()

    def version(self) -> Version:
        """Changes when the files do; looked for at most once a second. While they are incomplete, the last one."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_EVERY:
            self._looked = now
            try:
                self._version = self._look()
            except CertificateError as error:
                log.warning(
                    "the certificate cannot be read; using the one known", extra={"error": str(error)}
                )
        return self._version

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """What a client shows and trusts. Raises CertificateError."""
        authority, certificate, key = self._read()
        return grpc.ssl_channel_credentials(authority, key, certificate)

    def server_credentials(self) -> grpc.ServerCredentials:
        """What a server shows and trusts: clients need a certificate, and each handshake sees the newest of ours.

        Raises CertificateError.
        """
        shown = self.version()

        def newest() -> grpc.ServerCertificateConfiguration | None:
            nonlocal shown
            version = self.version()
            if version == shown:
                return None
            try:
                found = self._server_configuration()
            except CertificateError as error:
                log.warning(
                    "the certificate cannot be read; using the one known", extra={"error": str(error)}
                )
                return None
            shown = version
            log.info("a new certificate is in use")
            return found

        return grpc.dynamic_ssl_server_credentials(
            self._server_configuration(),
            newest,  # type: ignore[arg-type]  # the stubs do not know that None means unchanged
            require_client_authentication=True,
        )

    def _server_configuration(self) -> grpc.ServerCertificateConfiguration:
        authority, certificate, key = self._read()
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=authority)

    def _look(self) -> Version:
        try:
            stats = [os.stat(self._folder / name) for name in _FILES]  # noqa: PTH116 - follows symbolic links
        except OSError as error:
            raise CertificateError(
                f"{error.filename} cannot be read ({error.strerror}): MCPANEL_TLS_DIR needs {', '.join(_FILES)}"
            ) from error
        return tuple((stat.st_mtime_ns, stat.st_ino, stat.st_size) for stat in stats)

    def _read(self) -> tuple[bytes, bytes, bytes]:
        try:
            authority, certificate, key = ((self._folder / name).read_bytes() for name in _FILES)
        except OSError as error:
            raise CertificateError(f"{error.filename} cannot be read ({error.strerror})") from error
        return authority, certificate, key
