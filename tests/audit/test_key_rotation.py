"""A new signing key: both sign for a while, so that whoever pinned one of them can go on."""

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf import json_format

from audit import keys
from audit.checkpoint import NoteInvalid, Signer, Statement, Verifier
from audit.keys import SigningKeys
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import ORIGIN, Start, World, records
from tests.audit.exports import fetched, problems

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a first key."""
    keys.load_or_create(tmp_path, ORIGIN)
    return tmp_path / keys.FILE


def opens(key: Verifier, note: str) -> bool:
    """Whether a note is signed by a pinned key that is all one knows."""
    alone = Verifier.parse(str(key))
    try:
        return alone.open(note) == Statement(ORIGIN, 3, ROOT)
    except NoteInvalid:
        return False


def test_both_keys_sign_until_the_overlap_is_over(path: Path) -> None:
    old = keys.read(path, NOW).verifier
    before = keys.read(path, NOW).sign(3, ROOT)
    new = keys.rotate(path, NOW, DAY).verifier

    during = keys.read(path, NOW + DAY / 2).sign(3, ROOT)
    after = keys.read(path, NOW + DAY).sign(3, ROOT)

    assert [opens(old, note) for note in (before, during, after)] == [True, True, False]
    assert [opens(new, note) for note in (before, during, after)] == [False, True, True]


def test_a_log_with_a_new_key_still_knows_what_the_old_ones_signed(path: Path) -> None:
    notes = []
    for day in range(3):
        notes.append(keys.read(path, NOW + 10 * day * DAY).sign(3, ROOT))
        keys.rotate(path, NOW + 10 * day * DAY, DAY)

    verifier = keys.read(path, NOW + 40 * DAY).verifier

    assert len(verifier.keys) == 4
    assert {verifier.open(note) for note in notes} == {Statement(ORIGIN, 3, ROOT)}
    assert [str(verifier.signer_of(note)) for note in notes] == [
        str(key) for key in reversed(verifier.keys[1:])
    ]


def test_a_key_that_signs_no_more_loses_its_private_half_at_the_next_rotation(path: Path) -> None:
    first = keys.read(path, NOW)
    keys.rotate(path, NOW, DAY)
    keys.rotate(path, NOW + 2 * DAY, DAY)

    assert first.secret() not in path.read_text()
    assert str(first.verifier) in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == [keys.FILE]


def test_a_signature_in_vain_spoils_a_note_whoever_else_signed_it(path: Path) -> None:
    keys.rotate(path, NOW, DAY)
    signer = keys.read(path, NOW)
    note = signer.sign(3, ROOT)
    other = signer.sign(4, ROOT)
    [*_, old_line, _] = other.split("\n")
    mixed = "\n".join([*note.split("\n")[:-2], old_line, ""])

    with pytest.raises(NoteInvalid, match="does not verify"):
        signer.verifier.open(mixed)


def test_what_runs_takes_a_new_key_at_once_and_lets_go_of_the_old_in_time(path: Path) -> None:
    now = [NOW]
    signing = SigningKeys(path, ORIGIN, clock=lambda: now[0])
    old = signing().verifier

    new = keys.rotate(path, NOW, DAY).verifier
    during = signing().sign(3, ROOT)
    now[0] += DAY
    after = signing().sign(3, ROOT)

    assert (opens(old, during), opens(new, during)) == (True, True)
    assert (opens(old, after), opens(new, after)) == (False, True)


def test_a_file_that_breaks_while_it_is_used_changes_nothing(path: Path) -> None:
    signing = SigningKeys(path, ORIGIN)
    before = str(signing().verifier)

    for text in ("", "PRIVATE+KEY+half", Signer.generate("other.local/audit").secret()):
        path.write_text(text)
        assert str(signing().verifier) == before
    path.unlink()

    assert str(signing().verifier) == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{public}",
        "{secret} until=2027-01-01T00:00:00+00:00",
        "{secret}\n{secret} until=someday",
        "{secret}\n{other}",
        "{secret}\nnonsense",
    ],
)
def test_a_file_that_is_none_is_refused_and_not_rotated(path: Path, text: str) -> None:
    signer = keys.read(path)
    broken = text.format(
        secret=signer.secret(), public=signer.verifier, other=Signer.generate("x.local/audit").secret()
    )
    path.write_text(broken)

    with pytest.raises(keys.KeyFileError, match="is not a signing key"):
        keys.rotate(path, NOW)

    assert path.read_text() == broken


async def test_a_log_goes_on_under_a_new_key_and_is_verified_with_both(start: Start, path: Path) -> None:
    signing = SigningKeys(path, ORIGIN)
    world = await start(signing=signing)
    old = Verifier.parse(str(signing().verifier))
    await world.append(records(0, 3))
    keys.rotate(path, datetime.now(UTC), timedelta(0))
    await world.append(records(3, 5))
    new = Verifier.parse(str(signing().verifier))

    export = await fetched(world.stub)

    assert (await world.verify()).ok
    assert (await world.checkpoint()).verifier_key == str(new)
    assert problems(export, signing().verifier) == []
    assert ("SIGNATURE_INVALID", 5) in problems(export, old)
    assert problems(export, new) == [("SIGNATURE_INVALID", 3)]


async def test_a_change_of_key_is_an_entry_that_the_old_key_signed_too(start: Start, path: Path) -> None:
    signing = SigningKeys(path, ORIGIN)
    world = await start(signing=signing, relaying=True)
    old = Verifier.parse(str(signing().verifier))
    await world.append(records(0, 3))
    new = keys.rotate(path, datetime.now(UTC), DAY).verifier

    await world.append(records(3, 4))

    entry = await _awaited(world, 'action = "AUDIT_KEY_ROTATED"')
    checkpoint = await world.checkpoint()
    assert json_format.MessageToDict(entry.details)["new"]["verifier_keys"] == [str(new), str(old)]
    assert old.open(checkpoint.note).tree_size > entry.index


def test_the_command_rotates_and_prints_what_to_pin(path: Path) -> None:
    old = str(keys.read(path).verifier)

    rotated = _audit("rotate", str(path), "7")
    shown = _audit("key", str(path))
    wrong = [_audit("rotate", str(path), days) for days in ("-1", "x", "99999")]

    assert (rotated.returncode, rotated.stderr) == (0, "")
    assert shown.stdout.splitlines() == [rotated.stdout.strip(), old]
    assert "until=" in path.read_text()
    assert {(one.returncode, one.stderr[:6]) for one in wrong} == {(2, "usage:")}


async def _awaited(world: World, where: str) -> pb.ActionLog:
    """The entry that a filter finds, once there is one."""
    async with asyncio.timeout(30):
        while not (found := (await world.page(where)).action_logs):
            await asyncio.sleep(0.05)
    return found[0]


def _audit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={})
