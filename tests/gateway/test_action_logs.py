"""The action log as CSV, from the real audit service."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator

import httpx
import pytest

from chassis.client import channel
from chassis.config import Networks
from gateway import actionlogs
from gateway.actionlogs import COLUMNS
from gateway.application import Parts, application
from gateway.oidc import ExternalLogin
from gateway.session import BrowserSession
from gateway.suite import Suite
from gateway.tickets import Tickets
from mcpanel.audit.v1 import audit_pb2 as pb
from tests.audit.conftest import World, record, records, serving
from tests.support.callers import ADMIN, EDITOR, as_caller
from tests.support.servers import TestPostgres

PATH = "/api/v1/action-logs.csv"
HOSTILE = '=HYPERLINK("http://x")'


@pytest.fixture
async def world(postgres: TestPostgres) -> AsyncIterator[World]:
    """An audit service with four entries."""
    async with serving(postgres) as start:
        found = await start()
        hostile = pb.Actor(id="u2", kind="user", name=HOSTILE, client_address="203.0.113.7")
        await found.append(
            records(0, 2),
            [record("r2", actor=hostile, details={"new": {"email": "bob@example.com", "n": 1, "é": 'a"b'}})],
            [record("-r3", "USER_DELETED")],
        )
        yield found


@pytest.fixture
async def http(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway before it."""
    audit = channel(world.server.config.listen, peer="audit")
    proxies = Networks.parse("127.0.0.0/8")
    nowhere = channel("127.0.0.1:1", peer="identity")
    session = BrowserSession(nowhere, nowhere)
    parts = Parts(Suite({}), audit, audit, session, ExternalLogin(nowhere), Tickets(nowhere))
    app = application(parts, asyncio.Event(), keep_alive=15, proxies=proxies)
    headers = dict(as_caller(ADMIN))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://gateway", headers=headers
    ) as client:
        yield client
    await nowhere.close()
    await audit.close()


async def rows(http: httpx.AsyncClient, **parameters: str) -> list[dict[str, str]]:
    """The lines of a download by their columns."""
    answer = await http.get(PATH, params=parameters)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


async def test_every_entry_is_a_line_with_what_is_known_of_people(http: httpx.AsyncClient) -> None:
    answer = await http.get(PATH)

    found = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    assert [one["index"] for one in found] == ["0", "1", "2", "3"]
    assert tuple(found[0]) == COLUMNS
    assert (found[0]["actor_name"], found[0]["time"]) == ("ada@example.com", "2026-01-31T12:00:00Z")
    assert found[2]["client_address"] == "203.0.113.7"
    assert found[2]["details"] == '{"new": {"email": "bob@example.com", "n": 1, "é": "a\\"b"}}'


async def test_a_spreadsheet_executes_nothing_of_it(http: httpx.AsyncClient) -> None:
    found = await rows(http)

    assert found[2]["actor_name"] == f"'{HOSTILE}"
    assert found[3]["id"] == "'-r3"
    assert not [cell for one in found for cell in one.values() if cell[:1] in set("=+-@\t\r")]


@pytest.mark.parametrize(
    "text",
    ["=1", "\n=1", " =1", ";=1", "\u200b=1", "\uff1d1", "+1", "-1", "@x", "\uff20x", "\ttext", "\rtext"],
)
def test_what_looks_like_a_formula_to_any_spreadsheet_gets_an_apostrophe(text: str) -> None:
    assert actionlogs._safe(text) == f"'{text}"
    assert actionlogs._safe(f"a{text}") == f"a{text}"


async def test_a_part_and_a_filter_leave_the_rest_out(http: httpx.AsyncClient) -> None:
    part = await rows(http, from_index="2", until_index="3")
    filtered = await rows(http, filter='action = "USER_DELETED"')

    assert [one["index"] for one in part] == ["2"]
    assert [one["index"] for one in filtered] == ["3"]


async def test_the_erased_are_shown_as_such(http: httpx.AsyncClient, world: World) -> None:
    await world.stub.EraseSubject(
        pb.EraseSubjectRequest(subject_id="u2", request_id="q"), metadata=as_caller(ADMIN)
    )

    found = await rows(http)

    assert found[2]["actor_name"] == found[2]["client_address"] == "(erased)"
    assert '"email": "(erased)"' in found[2]["details"]


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("from=1", 400, "INVALID_FIELD"),
        ("from_index=-1", 400, "INVALID_FIELD"),
        ("fromIndex=99999999999", 400, "INVALID_FIELD"),
        ("from_index=9", 400, "TREE_SIZE_OUT_OF_RANGE"),
        ("filter=mood%3D1", 400, "INVALID_FILTER"),
    ],
)
async def test_what_cannot_be_is_refused_before_a_download_begins(
    http: httpx.AsyncClient, query: str, status: int, reason: str
) -> None:
    answer = await http.get(f"{PATH}?{query}")

    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (status, reason)


async def test_only_who_may_read_the_log_gets_it_and_that_is_recorded(
    http: httpx.AsyncClient, world: World
) -> None:
    refused = await http.get(PATH, headers=dict(as_caller(EDITOR)))
    await rows(http)

    assert refused.status_code == 403
    async with world.db.read() as tx:
        entries = (await tx.execute(world.db.tables.outbox.select())).all()
    assert [one.record["action"] for one in entries] == ["ACCESS_DENIED", "ACTION_LOG_EXPORTED"]
