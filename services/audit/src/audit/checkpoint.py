"""Signed checkpoints: the C2SP `tlog-checkpoint` body in a C2SP `signed-note`, with Ed25519. Pure.

    mcpanel.local/audit
    1234
    w9cPGbSPRzYYWcgOLvvbO8OrnJ7xbjL8QfBUJ3TtWLo=

    — mcpanel.local/audit zJ6PyRxZ…

The body's lines are the log's origin, the tree's size and the root in base64. The signature line is an em dash, the
key's name (here the origin) and base64 of the key id and the signature over the body. Sources:
https://c2sp.org/tlog-checkpoint and https://c2sp.org/signed-note.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from audit.merkle import HASH_BYTES

_ALGORITHM: Final = b"\x01"  # Ed25519
_ID_BYTES: Final = 4
_PRIVATE: Final = "PRIVATE+KEY+"
_NAME: Final = re.compile(r"[^\s+]{1,200}")
_SIGNATURE: Final = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class NoteInvalid(ValueError):
    """The note is not one, or no signature of this key is on it that verifies."""


class KeyInvalid(ValueError):
    """The text is not a key."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a checkpoint says: the log `origin` has `tree_size` entries under `root_hash`."""

    origin: str
    tree_size: int
    root_hash: bytes

    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.tree_size}\n{base64.b64encode(self.root_hash).decode()}\n"

    @classmethod
    def parse(cls, body: str) -> "Statement":
        """The statement of a body; further lines are extensions and ignored. Raises NoteInvalid."""
        lines = body.split("\n")
        if len(lines) < 4 or lines[-1] or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise NoteInvalid("the note is not a checkpoint")
        return cls(lines[0], int(lines[1]), _decoded(lines[2], HASH_BYTES))


class Verifier:
    """A named public key."""

    def __init__(self, name: str, public_key: Ed25519PublicKey) -> None:
        if not _NAME.fullmatch(name):
            raise KeyInvalid(f"{name!r} is no key name: it must not be empty or hold spaces or +")
        self.name = name
        self._key = public_key
        self._public = public_key.public_bytes_raw()
        digest = hashlib.sha256(name.encode() + b"\n" + _ALGORITHM + self._public).digest()
        self.id = digest[:_ID_BYTES]
        """The key id: the first four bytes of SHA-256(name ‖ "\\n" ‖ 0x01 ‖ public key)."""

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """The key of a verifier key string, `<name>+<key id>+<key>`. Raises KeyInvalid."""
        name, key_id, key = _parts(text)
        verifier = cls(name, Ed25519PublicKey.from_public_bytes(key))
        if verifier.id != key_id:
            raise KeyInvalid("the key id does not belong to the key")
        return verifier

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(_ALGORITHM + self._public).decode()}"

    def open(self, note: str) -> Statement:
        """What the note states, this key having signed it. Raises NoteInvalid."""
        body, separator, signatures = note.rpartition("\n\n")
        body += "\n"
        if not separator or not signatures.endswith("\n"):
            raise NoteInvalid("the text is not a signed note")
        for line in signatures[:-1].split("\n"):
            match = _SIGNATURE.fullmatch(line)
            if match is None:
                raise NoteInvalid("a signature line is malformed")
            if match[1] == self.name:
                signature = _decoded(match[2], _ID_BYTES + 64)
                if signature[:_ID_BYTES] == self.id:
                    self._verify(signature[_ID_BYTES:], body)
                    return Statement.parse(body)
        raise NoteInvalid(f"the note is not signed by {self.name}+{self.id.hex()}")

    def _verify(self, signature: bytes, body: str) -> None:
        try:
            self._key.verify(signature, body.encode())
        except InvalidSignature:
            raise NoteInvalid("the signature does not verify") from None


class Signer:
    """A named private key; `verifier` is its public half."""

    def __init__(self, name: str, private_key: Ed25519PrivateKey) -> None:
        self._key = private_key
        self.verifier = Verifier(name, private_key.public_key())

    @classmethod
    def generate(cls, name: str) -> "Signer":
        """A new key."""
        return cls(name, Ed25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> "Signer":
        """The key that `secret` wrote. Raises KeyInvalid."""
        if not text.startswith(_PRIVATE):
            raise KeyInvalid("the text is not a private key")
        name, key_id, key = _parts(text.removeprefix(_PRIVATE))
        signer = cls(name, Ed25519PrivateKey.from_private_bytes(key))
        if signer.verifier.id != key_id:
            raise KeyInvalid("the key id does not belong to the key")
        return signer

    def secret(self) -> str:
        """The key as text, `PRIVATE+KEY+<name>+<key id>+<key>`, as Go's `sumdb/note` writes it."""
        key = base64.b64encode(_ALGORITHM + self._key.private_bytes_raw()).decode()
        return f"{_PRIVATE}{self.verifier.name}+{self.verifier.id.hex()}+{key}"

    def sign(self, tree_size: int, root_hash: bytes) -> str:
        """The signed note that states this tree of the log named like the key."""
        body = Statement(self.verifier.name, tree_size, root_hash).body()
        signature = self.verifier.id + self._key.sign(body.encode())
        return f"{body}\n\u2014 {self.verifier.name} {base64.b64encode(signature).decode()}\n"


def _parts(text: str) -> tuple[str, bytes, bytes]:
    """Name, key id and the key's 32 bytes."""
    name, _, rest = text.partition("+")
    key_id, _, key = rest.partition("+")
    try:
        raw = _decoded(key, 1 + 32)
        number = bytes.fromhex(key_id)
    except ValueError:
        raise KeyInvalid("the key is malformed") from None
    if raw[:1] != _ALGORITHM:
        raise KeyInvalid("the key is not an Ed25519 key")
    return name, number, raw[1:]


def _decoded(text: str, size: int) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NoteInvalid("the base64 is malformed") from None
    if len(data) != size or base64.b64encode(data).decode() != text:
        raise NoteInvalid("the base64 is of the wrong length")
    return data
