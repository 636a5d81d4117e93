"""Secrets at rest: each encrypted with a key of its own, which is wrapped by a master key outside the database.

AES-256-GCM twice. The id of whatever owns the secret is its associated data, and with the key's version that of the
wrapped key, so that neither opens on another row. The master key's file holds one `<version> <base64 of 32 bytes>` a
line; the highest version wraps, every version unwraps.
"""

import base64
import binascii
import contextlib
import hmac
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE: Final = 12
_KEY: Final = 32


class MasterKeyError(Exception):
    """The master key's file cannot be used; the message says why and what to do."""


class SealBroken(Exception):
    """A stored secret does not open with this service's master key: one of the two is another, or was changed."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted secret. Each blob is nonce, ciphertext and tag."""

    ciphertext: bytes
    wrapped_key: bytes
    key_version: int


@dataclass(frozen=True, slots=True)
class MasterKey:
    """The versions of the master key."""

    versions: dict[int, bytes] = field(repr=False)

    @property
    def newest(self) -> int:
        """The version that wraps."""
        return max(self.versions)


class Vault:
    """Seals and opens secrets with the master key in `path`, which is made when it is missing."""

    def __init__(self, path: Path) -> None:
        """Raises MasterKeyError."""
        self._path = path
        if not path.exists():
            _create(path)
        self._key = read(path)

    @property
    def key_version(self) -> int:
        """The version that new secrets are wrapped with."""
        return self._key.newest

    @property
    def key_ids(self) -> dict[int, str]:
        """What each version may be called by, lowest first: it says nothing about the key but which one it is."""
        named = b"mcpanel master key id v1"
        return {
            version: hmac.digest(key, named, "sha256")[:8].hex()
            for version, key in sorted(self._key.versions.items())
        }

    def repeat_key(self) -> bytes:
        """What the stored hashes of requests are keyed with; the oldest version's, so that it outlives a new one."""
        oldest = self._key.versions[min(self._key.versions)]
        return hmac.digest(oldest, b"mcpanel repeated requests v1", "sha256")

    def reload(self) -> None:
        """Takes up the versions another process added to the file. Raises MasterKeyError."""
        self._key = read(self._path)

    def seal(self, owner_id: str, secret: str) -> Sealed:
        """The secret, encrypted for this owner only."""
        data_key = AESGCM.generate_key(_KEY * 8)
        version = self._key.newest
        return Sealed(
            _encrypt(data_key, secret.encode(), _aad(owner_id)),
            _encrypt(self._key.versions[version], data_key, _aad(owner_id, version)),
            version,
        )

    def open(self, owner_id: str, sealed: Sealed) -> str:
        """The secret. Raises SealBroken when the master key does not fit."""
        data_key = self._unwrap(owner_id, sealed)
        try:
            return _decrypt(data_key, sealed.ciphertext, _aad(owner_id)).decode()
        except InvalidTag:
            raise SealBroken from None

    def rewrap(self, owner_id: str, sealed: Sealed) -> Sealed:
        """The same secret, its key wrapped with the newest version. Raises like `open`."""
        data_key = self._unwrap(owner_id, sealed)
        version = self._key.newest
        wrapped = _encrypt(self._key.versions[version], data_key, _aad(owner_id, version))
        return Sealed(sealed.ciphertext, wrapped, version)

    def _unwrap(self, owner_id: str, sealed: Sealed) -> bytes:
        if sealed.key_version not in self._key.versions:
            self.reload()  # another process may have rotated it
        key = self._key.versions.get(sealed.key_version)
        if key is None:
            raise SealBroken
        try:
            return _decrypt(key, sealed.wrapped_key, _aad(owner_id, sealed.key_version))
        except InvalidTag:
            raise SealBroken from None


def read(path: Path) -> MasterKey:
    """The master key in `path`. Raises MasterKeyError, also when others may read the file."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise MasterKeyError(f"{path} can be read by others: run chmod 600 on it")
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MasterKeyError(f"{path} cannot be read: {error}") from error
    versions: dict[int, bytes] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        version, _, text = line.partition(" ")
        try:
            key = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            key = b""
        if not version.isdecimal() or len(key) != _KEY or int(version) in versions:
            raise MasterKeyError(f"{path}, line {number}: expected `<version> <base64 of 32 bytes>`")
        versions[int(version)] = key
    if not versions:
        raise MasterKeyError(f"{path} holds no key")
    return MasterKey(versions)


def rotate(path: Path) -> int:
    """Adds a new version to the file, which is replaced as a whole; returns the version. Raises MasterKeyError."""
    known = read(path)
    version = known.newest + 1
    versions = known.versions | {version: os.urandom(_KEY)}
    draft = _write(path, versions)
    draft.replace(path)
    return version


def _create(path: Path) -> None:
    """Of several processes that start at once, one makes the file; no one ever sees half of it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = _write(path, {1: os.urandom(_KEY)})
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    except OSError as error:
        raise MasterKeyError(f"{path} cannot be made: {error}") from error


def _write(path: Path, versions: dict[int, bytes]) -> Path:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        for version, key in sorted(versions.items()):
            file.write(f"{version} {base64.b64encode(key).decode()}\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def _encrypt(key: bytes, plain: bytes, associated: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, associated)


def _decrypt(key: bytes, blob: bytes, associated: bytes) -> bytes:
    return AESGCM(key).decrypt(blob[:_NONCE], blob[_NONCE:], associated)


def _aad(owner_id: str, version: int | None = None) -> bytes:
    return owner_id.encode() if version is None else f"{owner_id}/{version}".encode()
