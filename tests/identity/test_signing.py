"""The signing key and its file."""

import stat
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from identity import keyfiles
from identity.domain.tokens import public_key
from identity.signing import SECRET_FILE, Signer, SigningKey, SigningKeyError, load


def test_the_key_id_is_the_thumbprint_of_rfc_8037() -> None:
    """RFC 8037, appendix A.3."""
    raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

    found = public_key(raw)

    assert found.x == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
    assert found.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_key_reads_back_from_its_file(tmp_path: Path) -> None:
    key = SigningKey.generate()
    keyfiles.write(tmp_path / "signing.key", key.pem())

    found = load(tmp_path / "signing.key")

    assert found.public == key.public
    assert jwt.get_unverified_header(found.sign({"a": 1})) == {
        "alg": "EdDSA",
        "typ": "at+jwt",
        "kid": key.public.kid,
    }


def test_what_is_derived_stays_when_the_key_changes(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    keyfiles.write(path, SigningKey.generate().pem())
    without = Signer(path)
    keyfiles.write(tmp_path / SECRET_FILE, "00" * 32)
    before = Signer(path)

    keyfiles.write(path, SigningKey.generate().pem())
    after = Signer(path)

    assert (before.refresh_secret, before.repeat_secret) == (after.refresh_secret, after.repeat_secret)
    assert len({without.refresh_secret, before.refresh_secret, before.repeat_secret}) == 3


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "signing.key").write_bytes(other)

    with pytest.raises(SigningKeyError, match="not Ed25519"):
        load(tmp_path / "signing.key")


def test_a_signer_takes_up_a_new_file_and_outlives_a_lost_one(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    first, second = SigningKey.generate(), SigningKey.generate()
    keyfiles.write(path, first.pem())
    signer = Signer(path)

    keyfiles.write(path, second.pem())
    taken_up = signer.key.public
    path.write_text("damaged")
    damaged = signer.key.public
    path.unlink()

    assert taken_up == second.public
    assert damaged == second.public
    assert signer.key.public == second.public


def test_a_key_file_is_private_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "a.key"

    keyfiles.write(path, "one\n")
    keyfiles.write(path, "two\n")

    assert keyfiles.read(path) == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["a.key"]


def test_a_missing_file_has_no_text(tmp_path: Path) -> None:
    assert keyfiles.read(tmp_path / "none") is None
