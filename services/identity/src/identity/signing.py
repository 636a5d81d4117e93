"""The Ed25519 key that signs access tokens: its file, its signatures, and the secret derived from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from chassis.authentication.tokens import TYPE
from identity import keyfiles
from identity.domain.tokens import PublicKey, public_key

SECRET_FILE: Final = "identity.secret"  # noqa: S105  # a name
"""The file of what is derived from here, and has to stay when the signing key changes."""
SECRET_BYTES: Final = 32


class SigningKeyError(Exception):
    """The signing key's file cannot be used; the message says what to do."""


class SigningKey:
    """A private key."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public: PublicKey = public_key(private.public_key().public_bytes_raw())
        self.raw: bytes = private.private_bytes_raw()

    @classmethod
    def generate(cls) -> "SigningKey":
        """A fresh key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, pem: str) -> "SigningKey":
        """The key of a PKCS #8 PEM text. Raises SigningKeyError."""
        try:
            private = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningKeyError("it holds no private key in PEM form") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise SigningKeyError("it holds a key that is not Ed25519")
        return cls(private)

    def pem(self) -> str:
        """The key as PKCS #8 PEM, for its file."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The claims as a JWT, EdDSA-signed, typ at+jwt."""
        headers = {"typ": TYPE, "kid": self.public.kid}
        return jwt.encode(dict(claims), self._private, algorithm="EdDSA", headers=headers)


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose).derive(secret)


class Signer:
    """The signing key as its file has it now: a key that bootstrap replaced is picked up at the next use."""

    def __init__(self, path: Path) -> None:
        """Reads the file. Raises SigningKeyError."""
        self._path = path
        self._key = load(path)
        self._version = self._stat()
        # A home that bootstrap has not seen since there is such a file goes on with the key.
        text = keyfiles.read(path.with_name(SECRET_FILE))
        secret = text.encode() if text else self._key.raw
        self.refresh_secret: bytes = _derived(secret, b"mcpanel refresh tokens v1")
        """What refresh tokens are derived with: it outlives the signing key."""
        self.repeat_secret: bytes = _derived(secret, b"mcpanel repeated requests v1")
        """What the stored hashes of requests are keyed with."""

    @property
    def key(self) -> SigningKey:
        """The key to sign with; the last good one when the file is gone or damaged."""
        version = self._stat()
        if version not in (None, self._version):
            try:
                self._key = load(self._path)
            except SigningKeyError:
                return self._key
            self._version = version
        return self._key

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino


def load(path: Path) -> SigningKey:
    """The key in the file. Raises SigningKeyError naming the file and what to do."""
    pem = keyfiles.read(path)
    if pem is None:
        raise SigningKeyError(f"{path} is missing: run python -m identity bootstrap")
    try:
        return SigningKey.parse(pem)
    except SigningKeyError as error:
        raise SigningKeyError(
            f"{path} cannot be used, {error}: restore it, or remove it and run python -m identity bootstrap"
        ) from error
