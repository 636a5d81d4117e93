"""What is about a person: shown while it is known, gone when it is erased, and no proof broken by it."""

import hashlib
import json
from typing import Any

import pytest
from google.protobuf import json_format

from audit import personal
from audit.domain import Record
from audit.personal import Delivery
from chassis import errors
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import TIME, World, record, records
from tests.audit.exports import fetched, judged, ndjson, problems
from tests.support.callers import ADMIN, EDITOR, as_caller

ADA = pb.Actor(
    id="u1", kind="user", name="ada@example.com", client_address="203.0.113.7", user_agent="curl/8"
)
BOB = pb.Actor(id="u2", kind="user", name="bob@example.com", client_address="203.0.113.7")
ENGINE = pb.Actor(
    id="s1", kind="service", name="engine", on_behalf_of_id="u1", on_behalf_of_name="ada@example.com"
)


async def erase(world: World, subject_id: str, **fields: str) -> int:
    """Erases a person, as an administrator; returns how many values there were."""
    request = pb.EraseSubjectRequest(subject_id=subject_id, **fields)
    return (await world.stub.EraseSubject(request, metadata=as_caller(ADMIN))).erased_values


@pytest.fixture
async def people(world: World) -> World:
    """A log of what Ada, Bob, a service for Ada and nobody known did."""
    made = {"new": {"email": "carol@example.com", "role": "Viewer"}}
    await world.append(
        [
            record("r0", actor=ADA, details={"new": {"name": "weather"}}),
            record("r1", actor=BOB),
            record("r2", actor=ENGINE),
            record("r3", actor=BOB, entity_type="user", entity_id="u3", details=made),
            record("r4", actor=pb.Actor(kind="anonymous", name="anonymous", client_address="198.51.100.9")),
            record("r5", actor=ADA, details={"new": {"nick": "countess"}}, personal=["nick"]),
        ]
    )
    return world


async def shown(world: World) -> list[pb.ActionLog]:
    """The entries, oldest first."""
    return list((await world.page(page_size=100)).action_logs)[::-1]


def new(entry: pb.ActionLog) -> dict[str, Any]:
    """The new values among an entry's details."""
    found: dict[str, Any] = json_format.MessageToDict(entry.details)["new"]
    return found


async def test_people_are_shown_while_they_are_known(people: World) -> None:
    found = await shown(people)

    assert [(one.actor.name, one.actor.on_behalf_of_name) for one in found] == [
        ("ada@example.com", ""),
        ("bob@example.com", ""),
        ("engine", "ada@example.com"),
        ("bob@example.com", ""),
        ("anonymous", ""),
        ("ada@example.com", ""),
    ]
    assert (found[0].actor.client_address, found[0].actor.user_agent) == ("203.0.113.7", "curl/8")
    assert new(found[3])["email"] == "carol@example.com"
    got = await people.stub.GetActionLog(
        pb.GetActionLogRequest(action_log_id="r5"), metadata=as_caller(ADMIN)
    )
    assert new(got.action_log)["nick"] == "countess"


async def test_the_log_itself_names_nobody(people: World) -> None:
    rows = people.owner.execute("SELECT to_jsonb(e)::text FROM entries e").fetchall()
    text = " ".join(row[0] for row in rows)

    for secret in ("ada@", "bob@", "carol@", "203.0.113.7", "198.51.100.9", "curl/8", "countess"):
        assert secret not in text
    assert "weather" in text
    assert "engine" in text


async def test_an_erased_person_is_gone_and_every_proof_holds(people: World) -> None:
    before = await people.checkpoint()
    export = await fetched(people.stub)

    erased = await erase(people, "u1")

    assert erased == 4  # name, address, user agent, nick
    found = await shown(people)
    assert (found[0].actor.name, found[0].actor.client_address, found[0].actor.id) == (
        "(erased)",
        "(erased)",
        "u1",
    )
    assert (found[2].actor.name, found[2].actor.on_behalf_of_name) == ("engine", "(erased)")
    assert new(found[5])["nick"] == "(erased)"
    assert (found[1].actor.name, found[1].actor.client_address) == ("bob@example.com", "203.0.113.7")
    assert (await people.verify()).ok
    after = await fetched(people.stub)
    assert problems(after, people.signer.verifier, [before.note]) == []
    assert "ada@example.com" in ndjson(export)
    assert "ada@example.com" not in ndjson(after)
    rows = people.owner.execute("SELECT value FROM personal").fetchall()
    assert {value for (value,) in rows} == {
        "bob@example.com",
        "203.0.113.7",
        "carol@example.com",
        "198.51.100.9",
    }


async def test_somebody_unknown_is_erased_by_address_and_a_user_by_what_was_done_to_them(
    people: World,
) -> None:
    assert await erase(people, "address:198.51.100.9") == 1
    assert await erase(people, "u3") == 1

    found = await shown(people)
    assert found[4].actor.client_address == "(erased)"
    assert new(found[3])["email"] == "(erased)"
    assert new(found[3])["role"] == "Viewer"


async def test_an_erasure_is_recorded_repeatable_and_for_administrators(people: World) -> None:
    first = await erase(people, "u2", request_id="once")
    again = await erase(people, "u2", request_id="once")

    assert (first, again) == (2, 2)
    assert await erase(people, "u2") == 0
    assert await erase(people, "address:198.51.100.9") == 1
    async with people.db.read() as tx:
        kept = [row.record for row in await tx.execute(tx.tables.outbox.select())]
    assert [(one["action"], one["entity_id"]) for one in kept] == [
        ("PERSONAL_DATA_ERASED", "u2"),
        ("PERSONAL_DATA_ERASED", "u2"),
        ("PERSONAL_DATA_ERASED", "address"),
    ]
    with pytest.raises(errors.Denied):
        await people.stub.EraseSubject(pb.EraseSubjectRequest(subject_id="u1"), metadata=as_caller(EDITOR))


async def test_who_acts_again_after_being_erased_is_known_from_then_on(people: World) -> None:
    await erase(people, "u1")
    await people.append([record("r6", actor=ADA)])

    found = await shown(people)
    assert (found[0].actor.name, found[6].actor.name) == ("(erased)", "ada@example.com")


async def test_a_person_is_kept_once_however_much_they_do(world: World) -> None:
    await world.append([record(f"r{at}", actor=ADA) for at in range(50)], [record("r99", actor=ADA)])

    assert world.owner.execute("SELECT count(*) FROM personal").fetchone() == (3,)


@pytest.mark.parametrize(
    "where",
    [
        'actor_name = "ada@example.com"',
        'actor_name = "ada*"',
        'user_agent = "curl/8"',
        'client_address = "203.0.113.7" AND actor_id = "u1"',
    ],
)
async def test_the_log_is_searched_by_who_people_are(people: World, where: str) -> None:
    assert [one.id for one in (await people.page(where)).action_logs] == ["r5", "r0"]
    exported = await fetched(people.stub, where=where)
    verdict = judged(ndjson(exported), people.signer.verifier, part=True)
    assert (verdict.problems, verdict.entries, verdict.personal) == ((), 2, 4)
    await erase(people, "u1")
    assert not (await people.page(where)).action_logs


async def test_what_a_key_a_session_a_run_and_a_request_did_is_found(world: World) -> None:
    by = pb.Actor(id="u1", kind="api_key", name="ada", api_key_id="k1", session_id="s1", run_id="run1")
    await world.append([record("r0", actor=by, request_id="q1", method="/x.Y/Z"), *records(1, 3)])

    for where in (
        'api_key_id = "k1"',
        'session_id = "s1"',
        'run_id = "run1"',
        'request_id = "q1"',
        'method = "/x.Y/Z"',
        'actor_kind = "api_key"',
        "index < 1",
    ):
        assert [one.id for one in (await world.page(where)).action_logs] == ["r0"], where
    [found] = (await world.page('api_key_id = "k1"')).action_logs
    assert (found.actor.session_id, found.actor.run_id, found.request_id) == ("s1", "run1", "q1")


async def test_a_changed_value_beside_the_log_is_never_believed(people: World) -> None:
    people.owner.execute("UPDATE personal SET value = 'eve@example.com' WHERE value = 'ada@example.com'")

    assert (await shown(people))[0].actor.name == "(changed)"
    assert await people.problems() == [("ENTRY_CHANGED", 0), ("ENTRY_CHANGED", 2), ("ENTRY_CHANGED", 5)]
    found = problems(await fetched(people.stub), people.signer.verifier)
    assert found == [("PERSONAL_CHANGED", 0)]


async def test_what_only_looks_like_a_commitment_is_none(people: World) -> None:
    token = people.owner.execute("SELECT commitment FROM personal WHERE value = 'bob@example.com'").fetchone()
    assert token is not None
    await people.append([record("r6", actor=ADA, details={"note": token[0]})])

    assert (await shown(people))[6].details["note"] == token[0]


def test_a_commitment_is_over_its_line_its_salt_and_its_value() -> None:
    salt = bytes(range(32))

    found = personal.commit(salt, "Zo\u00eb")

    assert (
        found
        == "c2:" + hashlib.sha256(b"mcpanel-audit-personal/2\n" + salt + "Zo\u00eb".encode()).hexdigest()
    )


def test_personal_values_are_found_at_any_depth_and_in_any_shape() -> None:
    details: dict[str, Any] = {
        "email": ["a@x", "b@x"],
        "old": {"full_name": {"first": "Ada", "born": 1815}, "n": 1},
        "new": [{"email": None, "on": True}, {"email": ""}],
    }
    one = Record(
        record_id="r", time=TIME, service="s", action="a", outcome="OK", actor_id="u", details=details
    )

    pairs = personal.pairs([Delivery(one)])
    made = {pair: personal.disclose(pair, bytes(32)).commitment for pair in pairs}
    hidden = Record(**personal.committed(Delivery(one), made))

    assert pairs == {("u", "a@x"), ("u", "b@x"), ("u", "Ada"), ("u", "1815")}
    assert not any(value in json.dumps(hidden.details) for value in ("a@x", "b@x", "Ada", "1815"))
    values = {commitment: value for (_, value), commitment in made.items()}
    assert personal.revealed(hidden, values).details["email"] == ["a@x", "b@x"]
    assert personal.tokens(hidden) == set(values)
