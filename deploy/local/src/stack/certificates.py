"""The suite's own authority, and a certificate for each process (`MCPANEL_TLS=mutual`).

A process's folder appears and changes in one step, so that nobody reads a certificate with another one's key.
"""

import os
import shutil
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis.peers import host
from stack import secrets

_AUTHORITY_DAYS: Final = 3650
_DAYS: Final = 30
_RENEW_AFTER: Final = 20
"""Days: at two thirds of its life."""


def ensure(folder: Path, processes: Iterable[str], now: datetime | None = None) -> list[str]:
    """Makes the authority and the certificates that are missing or past two thirds of their life; whose were made."""
    now = now or datetime.now(UTC)
    authority, key = _authority(folder, now)
    made = [name for name in processes if _is_due(folder / name / "tls.crt", authority, now)]
    for name in made:
        _issue(folder, name, authority, key, now)
    return made


def _authority(folder: Path, now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    certificate_file, key_file = folder / "ca.crt", folder / "ca.key"
    if certificate_file.exists() and key_file.exists():
        found = load_pem_private_key(key_file.read_bytes(), password=None)
        if isinstance(found, ec.EllipticCurvePrivateKey):
            return x509.load_pem_x509_certificate(certificate_file.read_bytes()), found
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("MCPanel")
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, key.public_key(), now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    secrets.write_private(key_file, _private(key))
    secrets.write_private(certificate_file, certificate.public_bytes(Encoding.PEM).decode())
    return certificate, key


def _is_due(file: Path, authority: x509.Certificate, now: datetime) -> bool:
    if not file.exists():
        return True
    known = x509.load_pem_x509_certificate(file.read_bytes())
    try:
        known.verify_directly_issued_by(authority)
    except Exception:
        return True
    return now >= known.not_valid_before_utc + timedelta(days=_RENEW_AFTER)


def _issue(
    folder: Path,
    process: str,
    authority: x509.Certificate,
    signer: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        _builder(_name(process), authority.subject, key.public_key(), now, _DAYS)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host(process))]), critical=False)
        .add_extension(both, critical=False)
        .sign(signer, hashes.SHA256())
    )
    fresh = folder / f".{process}.{uuid.uuid4().hex}"
    for name, content in (
        ("ca.crt", authority.public_bytes(Encoding.PEM).decode()),
        ("tls.crt", certificate.public_bytes(Encoding.PEM).decode()),
        ("tls.key", _private(key)),
    ):
        secrets.write_private(fresh / name, content)
    link = folder / process
    old = link.resolve() if link.is_symlink() else None
    draft = folder / f".{process}.link"
    draft.unlink(missing_ok=True)
    draft.symlink_to(fresh.name)
    os.replace(draft, link)  # noqa: PTH105 - of the link itself
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _private(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
