"""`python -m audit.verify`: what it takes, what it says, and that it needs nothing but itself."""

import gc
import io
import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import canonical, log, merkle, wire
from audit.__main__ import run as audit
from audit.checkpoint import Signer
from audit.domain import Exported, Json, Milestone, Record, Scope
from audit.keys import FILE
from audit.merkle import Frontier
from audit.verify import __main__ as cli
from audit.verify.judgement import Judge
from tests.audit.exports import judged, ndjson

NOW = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
SIGNER = Signer.generate("test.local/audit")
KEY = str(SIGNER.verifier)


def of(*details: Mapping[str, Json], action: str = "MCP_CREATED", signer: Signer = SIGNER) -> str:
    """The export of a log with these details, in one batch."""
    found = [
        Record(record_id=f"r{at}", time=NOW, service="s", action=action, outcome="OK", details=dict(one))
        for at, one in enumerate(details)
    ]
    added = log.extend(Frontier(), [*map(asdict, found)], NOW, signer)
    parts: list[Exported | Milestone] = [*map(Exported, added.leaves), Milestone(added.checkpoint)]
    pieces = [
        wire.export_header(Scope(None, added.checkpoint), "", NOW, signer.verifier),
        *(wire.exported(part, signer.verifier) for part in parts),
        wire.export_end(len(found)),
    ]
    return ndjson(pieces)


THREE = of(
    {"n": 1}, {"new": {"name": "Zo\u00eb", "x": 0.1, "big": 1e300, "none": None}}, {"tags": ["a", True]}
)
Said = tuple[int, str, str]
Verify = Callable[..., Said]


@pytest.fixture
def verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verify:
    """Verifies a text with some arguments more; returns the exit code, stdout and stderr."""

    def run(text: str, *more: str, key: str = KEY) -> Said:
        (tmp_path / "export").write_text(text)
        code = cli.run([str(tmp_path / "export"), "--key", key, *more])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_good_export_is_verified_and_summed_up(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "three.note").write_text(json.loads(THREE.splitlines()[0])["header"]["checkpoint"]["note"])

    code, said, _ = verify(THREE, "--checkpoint", str(tmp_path))

    assert code == 0
    assert said.startswith("verified: 3 entries of test.local/audit from 0, under 1 checkpoints\n")
    assert "newest entry: 2026-01-31T12:00:00.000005+00:00" in said
    assert said.endswith("kept checkpoints: 1 of 1 agree\n")


def test_the_pinned_key_may_be_a_file_or_one_of_several(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    other = str(Signer.generate("test.local/audit").verifier)

    assert verify(THREE, key=str(tmp_path / "key"))[0] == 0
    assert verify(THREE, "--key", KEY, key=other)[0] == 0
    assert verify(THREE, key=other)[0] == 1


def test_the_key_to_pin_is_printed_from_the_signing_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / FILE).write_text(SIGNER.secret())

    assert audit(["key", str(tmp_path / FILE)]) == 0

    assert capsys.readouterr().out == f"{KEY}\n"
    assert audit(["key", str(tmp_path / "none")]) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["EXPORT", "--key", "nonsense"], "nonsense is neither a verifier key"),
        (["EXPORT", "--key", KEY, "--checkpoint", "none"], "none cannot be read: No such file"),
        (["EXPORT", "--key", KEY, "--checkpoint", "."], "holds no checkpoint"),
        (["none", "--key", KEY], "none cannot be read: No such file"),
        (["empty", "--key", KEY], "the export is empty"),
        (["text", "--key", KEY], "the first line is no export's header"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EXPORT").write_text(THREE)
    (tmp_path / "empty").write_text("\n\n")
    (tmp_path / "text").write_text("Dear auditor,\n")

    assert cli.run(arguments) == 2

    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_a_kept_checkpoint_that_no_pinned_key_signed_is_named(verify: Verify, tmp_path: Path) -> None:
    (tmp_path / "x.note").write_text(Signer.generate("test.local/audit").sign(3, bytes(32)))

    code, said, _ = verify(THREE, "--checkpoint", str(tmp_path / "x.note"))

    assert code == 1
    assert "SIGNATURE_INVALID 0:" in said
    assert "x.note: the note is not signed by" in said


def test_it_reads_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(THREE.encode())))

    assert cli.run(["-", "--key", KEY]) == 0


def test_nothing_an_export_says_moves_the_terminal(verify: Verify) -> None:
    name = json.dumps("\x1b[2J\x1b[1;1Hverified")

    code, said, _ = verify(THREE.replace('"r1"', name))

    assert code == 1
    assert "\x1b" not in said


def test_it_imports_nothing_of_a_server() -> None:
    program = (
        "import sys, audit.verify.__main__; "
        "print({name.partition('.')[0] for name in sys.modules} "
        "& {'grpc', 'google', 'mcpanel', 'chassis', 'sqlalchemy', 'psycopg', 'alembic', 'socket'})"
    )

    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "set()\n"


HOSTILE = {
    "not JSON": ("{", 1),
    "no object": ("[]", 1),
    "null": ("null", 1),
    "an unknown piece": ('{"surprise": {}}', 1),
    "two pieces": ('{"end": {"entries": 3}, "entry": {}}', 1),
    "a second header": (THREE.splitlines()[0], 1),
    "deep": ('{"entry": ' * 100_000, 1),
    "deep details": ('{"entry":{"actionLog":{"index":1,"details":' + '{"a":' * 900 + "1" + "}" * 903, 1),
    "a huge index": ('{"entry": {"actionLog": {"index": 99999999999999999999999}}}', 1),
    "a negative index": ('{"entry": {"actionLog": {"index": -1}}}', 1),
    "an index that is none": ('{"entry": {"actionLog": {"index": true}}}', 1),
    "a huge number": ('{"entry": {"actionLog": {"index": 1, "details": {"n": 1' + "0" * 4000 + "}}}}", 1),
    "NaN": ('{"entry": {"actionLog": {"index": 1, "details": {"n": NaN}}}}', 1),
    "half a character": ('{"entry": {"actionLog": {"index": 1, "id": "\\ud800"}}}', 1),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_line_is_a_problem_and_no_crash(verify: Verify, name: str) -> None:
    lines = THREE.splitlines()
    line, code = HOSTILE[name]

    assert verify("\n".join([*lines[:2], line, *lines[3:]]))[0] == code
    assert verify("\n".join([*lines[:2], line, *lines[2:]]))[0] == code
    assert verify("\n".join([*lines, line]))[0] == code


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"service":', '"severity": "HIGH", "service":'),
        ('"kind":', '"verified": true, "kind":'),
        ('"format":', '"trust": 1, "format":'),
        ('"id": "r1"', '"id": "r1", "id": "r1"'),
        ('"id": "r1"', '"id": "eve", "id": "r1"'),
        ("00.000005Z", "00.000005001Z"),
        ("00.000005Z", "00.000005+01:00"),
        ('"format": 2', '"format": 1'),
        ('"format": 2', '"format": 99'),
    ],
)
def test_nothing_stands_in_an_entry_that_its_hash_does_not_cover(verify: Verify, old: str, new: str) -> None:
    lines = THREE.splitlines()
    assert old in lines[2]

    code, said, _ = verify("\n".join([*lines[:2], lines[2].replace(old, new), *lines[3:]]))

    assert code == 1
    assert "ENTRY_CHANGED 1:" in said


OTHER = str(Signer.generate("test.local/audit").verifier)


@pytest.mark.parametrize("line", [0, -2])
@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"origin": "test.local', '"origin": "elsewhere.local', "names the log 'elsewhere.local/audit'"),
        ('"origin": "test.local/audit", ', "", "names the log ''"),
        (f'"verifierKey": "{KEY}"', f'"verifierKey": "{OTHER}"', f"names the key '{OTHER}', which did not"),
        (f'"verifierKey": "{KEY}"', '"verifierKey": "\\u001b[2J"', r"names the key '\x1b[2J', which did not"),
        (
            '"signedAt": "2026',
            '"signedAt": "2027',
            "says it was signed at 2027-01-31T12:00:00.000005+00:00, ",
        ),
    ],
    ids=["another name", "no name", "another key", "no key", "another time"],
)
def test_what_stands_beside_a_signed_note_is_what_it_was_signed_with(
    verify: Verify, line: int, old: str, new: str, why: str
) -> None:
    lines = THREE.splitlines()
    for place in range(lines[line].count(old)):
        parts = lines[line].split(old)
        changed = old.join(parts[: place + 1]) + new + old.join(parts[place + 1 :])

        code, said, _ = verify("\n".join([*lines[:line], changed, *lines[line:][1:]]))

        assert code == 1
        assert said.startswith("CHECKPOINT_MISMATCH 3: ")
        assert why in said
    assert old in lines[line]


def test_what_nothing_signed_is_about_is_said_to_be_so(verify: Verify) -> None:
    code, said, _ = verify(THREE.replace('"exportedAt": "2026', '"exportedAt": "2027'))

    assert code == 0
    assert "not signed: that it was made at 2027-01-31T12:00:00.000005+00:00\n" in said


def test_a_key_that_signed_too_and_is_not_pinned_is_named(verify: Verify) -> None:
    new = Signer.generate("test.local/audit")
    both = of({"n": 1}, signer=new.joined([SIGNER], []))

    assert f"also signed by {new.verifier}, which is not pinned" in verify(both)[1]
    assert "also signed" not in verify(both, "--key", str(new.verifier))[1]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_character_of_an_entry_can_change_unnoticed(data: st.DataObject) -> None:
    lines = THREE.splitlines()
    at = data.draw(st.integers(1, 3))
    place = data.draw(st.integers(0, len(lines[at]) - 1))
    other = data.draw(
        st.characters(codec="utf-8", exclude_characters="\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
    )
    changed = lines[at][:place] + other + lines[at][place + 1 :]

    verdict = judged("\n".join([*lines[:at], changed, *lines[at + 1 :]]), SIGNER.verifier)

    assert verdict.problems or _same(changed, lines[at])


def _same(one: str, other: str) -> bool:
    """Whether two lines say the same: 1E300 is 1e300, and a blank is none."""
    return bool(json.loads(one) == json.loads(other))


TEXT = st.text(max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**53), 2**53)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, JSON, max_size=3), TEXT)
@settings(max_examples=150, deadline=None)
def test_what_was_recorded_reads_back_as_it_was_signed(details: dict[str, Json], action: str) -> None:
    normal = {key: canonical.normal(value) for key, value in details.items()}

    assert judged(of(normal, action=action), SIGNER.verifier).problems == ()


def test_what_is_kept_of_an_export_does_not_grow_with_it() -> None:
    def kept(count: int) -> int:
        lines = of(*({"n": at} for at in range(count))).splitlines()
        tracemalloc.start()
        judge = Judge([SIGNER.verifier])
        for line in lines:
            judge.take(line)
        gc.collect()
        forget_look_ups()
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert judge.verdict().problems == ()
        return size

    assert kept(2000) < kept(200) + 2_000


def forget_look_ups() -> None:
    """Empties Python's cache of attribute look-ups, which holds what was looked up last, by chance of its hash."""
    if sys.version_info >= (3, 13):
        sys._clear_internal_caches()
    else:
        sys._clear_type_cache()


def test_the_root_is_the_one_of_rfc_6962() -> None:
    leaves = [
        bytes.fromhex(json.loads(line)["entry"]["actionLog"]["leafHash"]) for line in THREE.splitlines()[1:4]
    ]

    assert judged(THREE, SIGNER.verifier).root_hash == merkle.root_of(leaves)
