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
from collections.abc import Sequence
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
    """A named public key; with it the log's other ones, which signed before or sign beside it."""

    def __init__(self, name: str, public_key: Ed25519PublicKey, others: "Sequence[Verifier]" = ()) -> None:
        if not _NAME.fullmatch(name):
            raise KeyInvalid(f"{name!r} is no key name: it must not be empty or hold spaces or +")
        self.name = name
        self._key = public_key
        self._public = public_key.public_bytes_raw()
        digest = hashlib.sha256(name.encode() + b"\n" + _ALGORITHM + self._public).digest()
        self.id = digest[:_ID_BYTES]
        """The key id: the first four bytes of SHA-256(name ‖ "\\n" ‖ 0x01 ‖ public key)."""
        self.keys: tuple[Verifier, ...] = (self, *others)
        """All keys of the log, this one first."""

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
        """What the note states, one of the keys having signed it and none in vain. Raises NoteInvalid."""
        body, signatures = _signatures(note)
        found = False
        for name, signature in signatures:
            for key in self.keys:
                if name == key.name and _decoded(signature, _ID_BYTES + 64).startswith(key.id):
                    key._verify(_decoded(signature, _ID_BYTES + 64)[_ID_BYTES:], body)
                    found = True
        if not found:
            ids = " or ".join(f"{key.name}+{key.id.hex()}" for key in self.keys)
            raise NoteInvalid(f"the note is not signed by {ids}")
        return Statement.parse(body)

    def signer_of(self, note: str) -> "Verifier":
        """The first of the keys whose signature a note has; this one for none. Nothing is verified."""
        try:
            _, signatures = _signatures(note)
            ids = {base64.b64decode(signature)[:_ID_BYTES] for _, signature in signatures}
        except ValueError:
            return self
        return next((key for key in self.keys if key.id in ids), self)

    def _verify(self, signature: bytes, body: str) -> None:
        try:
            self._key.verify(signature, body.encode())
        except InvalidSignature:
            raise NoteInvalid("the signature does not verify") from None


class Signer:
    """A named private key. `verifier` is its public half, with those of the keys beside and before it."""

    def __init__(
        self,
        name: str,
        private_key: Ed25519PrivateKey,
        beside: "Sequence[Signer]" = (),
        before: Sequence[Verifier] = (),
    ) -> None:
        """`beside` sign too, while whoever verifies may still know only them; `before` signed once."""
        self._key = private_key
        self._beside = tuple(beside)
        others = (*(one.verifier for one in self._beside), *before)
        self.verifier: Verifier = Verifier(name, private_key.public_key(), others)

    def joined(self, beside: "Sequence[Signer]", before: Sequence[Verifier]) -> "Signer":
        """The same key with others of its log."""
        return Signer(self.verifier.name, self._key, beside, before)

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
        return "\n".join([body, *(one._line(body) for one in (self, *self._beside)), ""])

    def _line(self, body: str) -> str:
        signature = self.verifier.id + self._key.sign(body.encode())
        return f"\u2014 {self.verifier.name} {base64.b64encode(signature).decode()}"


def _signatures(note: str) -> tuple[str, list[tuple[str, str]]]:
    """The body of a note, and its signatures: the key's name and base64. Raises NoteInvalid."""
    body, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise NoteInvalid("the text is not a signed note")
    found = []
    for line in signatures[:-1].split("\n"):
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            raise NoteInvalid("a signature line is malformed")
        found.append((match[1], match[2]))
    return f"{body}\n", found


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
