"""Secrets at rest, and the file of the master key."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag

from chassis import vault
from chassis.vault import MasterKeyError, SealBroken, Vault

CANARY = "s3cret-Canary/1"


def test_a_sealed_secret_opens_for_its_data_source_and_no_other(tmp_path: Path) -> None:
    sealing = Vault(tmp_path / "keys" / "master.key")

    sealed = sealing.seal("one", CANARY)

    assert sealing.open("one", sealed) == CANARY
    assert CANARY.encode() not in sealed.ciphertext + sealed.wrapped_key
    with pytest.raises(SealBroken):
        sealing.open("two", sealed)


def test_the_same_secret_is_never_sealed_the_same_way(tmp_path: Path) -> None:
    sealing = Vault(tmp_path / "master.key")

    first, second = sealing.seal("one", CANARY), sealing.seal("one", CANARY)

    assert first.ciphertext != second.ciphertext
    assert first.wrapped_key != second.wrapped_key


@pytest.mark.parametrize("part", ["ciphertext", "wrapped_key"])
def test_a_changed_bit_is_noticed(part: str, tmp_path: Path) -> None:
    sealing = Vault(tmp_path / "master.key")
    sealed = sealing.seal("one", CANARY)
    blob = bytearray(getattr(sealed, part))
    blob[-1] ^= 1
    fields = {name: getattr(sealed, name) for name in ("ciphertext", "wrapped_key", "key_version")}

    with pytest.raises((SealBroken, InvalidTag)):
        sealing.open("one", vault.Sealed(**fields | {part: bytes(blob)}))


def test_the_master_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "master.key"

    first, second = Vault(path), Vault(path)

    assert second.open("one", first.seal("one", CANARY)) == CANARY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["master.key"]  # noqa: PTH208


def test_a_rotated_key_opens_the_old_and_wraps_the_new(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    before = Vault(path)
    old = before.seal("one", CANARY)

    assert vault.rotate(path) == 2
    after = Vault(path)

    assert after.open("one", old) == CANARY
    rewrapped = after.rewrap("one", old)
    assert (old.key_version, rewrapped.key_version) == (1, 2)
    assert rewrapped.ciphertext == old.ciphertext
    assert before.open("one", rewrapped) == CANARY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["", "nonsense", "1 c2hvcnQ=", "x " + "A" * 44, "1 not base64!"])
def test_a_damaged_key_file_is_refused_with_its_place(content: str, tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(content)
    path.chmod(0o600)

    with pytest.raises(MasterKeyError, match=r"master\.key"):
        Vault(path)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    Vault(path)
    path.chmod(0o640)

    with pytest.raises(MasterKeyError, match="chmod 600"):
        Vault(path)
