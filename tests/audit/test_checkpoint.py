"""Signed checkpoints: the C2SP forms, to the byte."""

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import merkle
from audit.checkpoint import KeyInvalid, NoteInvalid, Signer, Statement, Verifier

SIGNER = Signer("example.com/log", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
PUBLIC = SIGNER.verifier._key.public_bytes_raw()
# The key and the signed note in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_is_the_body_an_empty_line_and_the_signature_line() -> None:
    note = SIGNER.sign(3, merkle.EMPTY_ROOT)

    body, line = note.split("\n\n")
    assert body + "\n" == f"example.com/log\n3\n{base64.b64encode(merkle.EMPTY_ROOT).decode()}\n"
    dash, name, signature = line.rstrip("\n").split(" ")
    assert (dash, name) == ("\u2014", "example.com/log")
    key_id = hashlib.sha256(b"example.com/log\n\x01" + PUBLIC).digest()[:4]
    assert base64.b64decode(signature)[:4] == SIGNER.verifier.id == key_id
    SIGNER.verifier._key.verify(base64.b64decode(signature)[4:], (body + "\n").encode())


def test_keys_are_written_as_go_writes_them() -> None:
    assert str(SIGNER.verifier) == (
        f"example.com/log+{SIGNER.verifier.id.hex()}+{base64.b64encode(bytes([1]) + PUBLIC).decode()}"
    )
    assert str(Verifier.parse(str(SIGNER.verifier))) == str(SIGNER.verifier)
    again = Signer.parse(SIGNER.secret())
    assert again.sign(1, merkle.EMPTY_ROOT) == SIGNER.sign(1, merkle.EMPTY_ROOT)


def test_a_note_that_go_signed_verifies_and_is_no_checkpoint() -> None:
    verifier = Verifier.parse(GO_KEY)

    with pytest.raises(NoteInvalid, match="not a checkpoint"):
        verifier.open(GO_NOTE)
    with pytest.raises(NoteInvalid, match="does not verify"):
        verifier.open(GO_NOTE.replace("answer", "question"))


def test_a_note_opens_to_what_was_signed() -> None:
    note = SIGNER.sign(12, merkle.leaf_hash(b"x"))
    witnessed = note + "\u2014 witness.example " + base64.b64encode(b"abcd" + b"x" * 64).decode() + "\n"

    statement = Statement("example.com/log", 12, merkle.leaf_hash(b"x"))
    assert SIGNER.verifier.open(note) == statement
    assert SIGNER.verifier.open(witnessed) == statement


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n12\n", "\n13\n"),
        ("example.com/log\n", "example.com/fork\n"),
        ("\u2014 example.com/log", "\u2014 example.com/fork"),
        ("\u2014", "-"),
        ("\n\n", "\n"),
        ("\n\n", "\nextension\n\n"),
        ("=\n\n", "A\n\n"),
    ],
)
def test_a_changed_note_does_not_open(old: str, new: str) -> None:
    note = SIGNER.sign(12, merkle.leaf_hash(b"x")).replace(old, new, 1)

    with pytest.raises(NoteInvalid):
        SIGNER.verifier.open(note)


def test_a_note_of_another_key_of_the_same_name_does_not_open() -> None:
    note = Signer.generate("example.com/log").sign(12, merkle.EMPTY_ROOT)

    with pytest.raises(NoteInvalid, match="not signed by"):
        SIGNER.verifier.open(note)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "name+00000000+AAAA",
        str(SIGNER.verifier).replace("+", "+f", 1),
        "PRIVATE+KEY+x",
        SIGNER.secret()[:-4],
    ],
)
def test_a_text_that_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(KeyInvalid):
        Verifier.parse(text)
    with pytest.raises(KeyInvalid):
        Signer.parse(text)


def test_a_key_needs_a_name_without_spaces_and_plus_signs() -> None:
    for name in ("", "two words", "a+b"):
        with pytest.raises(KeyInvalid, match="key name"):
            Signer.generate(name)
