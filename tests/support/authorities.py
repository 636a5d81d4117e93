"""Authorities that tests make: a root's certificate, and servers' certificates that it signs."""

import datetime
import ssl
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Authority: TypeAlias = tuple[Path, Callable[[str], ssl.SSLContext]]


def make_authority(folder: Path) -> Authority:
    """A new authority's certificate in the folder, and what makes the context of a server of a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {uuid.uuid4()}")])
    root = _signed(name, name, key.public_key(), key, ca=True)
    path = folder / "root.pem"
    path.write_bytes(root.public_bytes(serialization.Encoding.PEM))

    def server(host: str) -> ssl.SSLContext:
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        certificate = _signed(subject, name, own.public_key(), key, host=host)
        file = folder / f"{host}.pem"
        file.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    return path, server


def _signed(
    subject: x509.Name, issuer: x509.Name, public: Any, key: Any, *, host: str = "", ca: bool = False
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    return builder.sign(key, hashes.SHA256())
