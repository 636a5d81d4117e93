"""Lists: pages, filters, searches, orders, over thousands of rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from chassis.context import Caller
from chassis.database import Database
from chassis.ids import uuid7
from mcpanel.registry.v1 import registry_pb2 as pb
from registry.domain import definitions
from registry.tables import definitions as table
from tests.registry.conftest import Start, World
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER

ROWS = 2500
KINDS = ("PYTHON_SCRIPT", "MCP", "DATA")


async def fill(db: Database, first: int, count: int) -> None:
    """Stores definitions `row-00000` …: each third private, five of them in each moment; all in one statement."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    rows: list[dict[str, Any]] = []
    for number in range(first, first + count):
        sent = definitions.Sent(
            name=f"row-{number:05}",
            type=KINDS[number % 3],
            description="Rain & snow 100%" if number % 50 == 0 else "plain",
            visibility="PRIVATE" if number % 3 == 0 else "PUBLIC",
            tags=("even",) if number % 2 == 0 else ("odd", f"n{number}"),
            cost_tier="HIGH" if number % 10 == 0 else "",
        )
        now = start + timedelta(seconds=number // 5)
        owner = EDITOR.id if number % 6 else OTHER_EDITOR.id
        made = definitions.create(sent, id=uuid7(now), owner_id=owner, now=now)
        values = {column.name: getattr(made, column.name) for column in table.c}
        rows.append(values | {"tags": list(made.tags), "compliance": list(made.compliance)})
    async with db.begin(audited=False) as tx:
        await tx.execute(insert(table), rows)


@pytest.fixture(scope="module")
async def many(start: Start) -> World:
    """A registry with thousands of definitions."""
    world = await start()
    assert world.server.db is not None
    await fill(world.server.db, 0, ROWS)
    return world


async def names(world: World, caller: Caller = ADMIN, **fields: Any) -> list[str]:
    """Every name of a list, all its pages walked."""
    found: list[str] = []
    token = ""
    while True:
        request = pb.ListDefinitionsRequest(page_size=fields.get("page_size", 1000), page_token=token)
        request.MergeFrom(pb.ListDefinitionsRequest(**{k: v for k, v in fields.items() if k != "page_size"}))
        answer = await world.call("ListDefinitions", request, caller)
        found += [one.name for one in answer.definitions]
        token = answer.next_page_token
        if not token:
            return found


async def test_the_pages_hold_every_row_once_newest_first(many: World) -> None:
    found = await names(many, page_size=333)

    assert sorted(found) == [f"row-{number:05}" for number in range(ROWS)]
    moments = [int(name[4:]) // 5 for name in found]
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    ("order", "backwards"), [("name", False), ("name desc", True), ("created_at", False)]
)
async def test_an_order_is_kept_across_pages(many: World, order: str, backwards: bool) -> None:
    found = await names(many, order_by=order, page_size=400)

    keys = [name if "name" in order else int(name[4:]) // 5 for name in found]
    assert keys == sorted(keys, reverse=backwards)
    assert len(set(found)) == ROWS


async def test_pages_are_stable_while_rows_are_added(start: Start) -> None:
    world = await start()
    assert world.server.db is not None
    await fill(world.server.db, 0, 300)
    found: list[str] = []
    token, added = "", 300
    while True:
        request = pb.ListDefinitionsRequest(page_size=70, page_token=token)
        answer = await world.call("ListDefinitions", request, ADMIN)
        found += [one.name for one in answer.definitions]
        token = answer.next_page_token
        await fill(world.server.db, added, 10)
        added += 10
        if not token:
            break

    assert sorted(found) == [f"row-{number:05}" for number in range(300)]


async def test_everyone_sees_what_is_public_and_their_own(many: World) -> None:
    viewer = set(await names(many, VIEWER))
    editor = set(await names(many, EDITOR))

    public = {f"row-{number:05}" for number in range(ROWS) if number % 3}
    assert viewer == public
    assert editor == public | {f"row-{number:05}" for number in range(ROWS) if number % 6}


@pytest.mark.parametrize(
    ("written", "matches"),
    [
        ('name = "row-00007"', lambda n: n == 7),
        ('name = "row-0000*"', lambda n: n < 10),
        ("type = mcp", lambda n: n % 3 == 1),
        ("visibility = PRIVATE AND cost_tier = HIGH", lambda n: n % 30 == 0),
        ("tags:n1001", lambda n: n == 1001),
        (f'owner_id = "{OTHER_EDITOR.id}" AND NOT tags:even', lambda n: False),
        ("name = row-00001 OR name = row-00002", lambda n: n in (1, 2)),
    ],
)
async def test_filters_choose(many: World, written: str, matches: object) -> None:
    found = await names(many, filter=written)

    assert sorted(found) == [f"row-{n:05}" for n in range(ROWS) if matches(n)]  # type: ignore[operator]  # a lambda


async def test_types_are_taken_by_both_of_their_names(many: World) -> None:
    by_name = await names(many, type=["PYTHON_SCRIPT", "mcp"])
    by_display = await names(many, type=["python script", "MCP"])
    in_filter = await names(many, filter='type = "Python Script" OR type = MCP')

    assert by_name == by_display == in_filter
    assert len(by_name) == sum(number % 3 < 2 for number in range(ROWS))


async def test_an_unknown_type_is_refused_naming_the_known_ones(many: World) -> None:
    refused = await many.refused("ListDefinitions", pb.ListDefinitionsRequest(type=["Pyhton"]))

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert refused.fields[0].field == "type"
    assert "'Pyhton'" in refused.message
    assert "PYTHON_SCRIPT (Python Script)" in refused.message


@pytest.mark.parametrize(
    ("query", "count"),
    [("SNOW rain", 50), ("100%", 50), ("1_0", 0), ("row-0001", 10), ("n1001", 1), ("absent", 0)],
)
async def test_a_search_finds_all_words_in_name_description_and_tags(
    many: World, query: str, count: int
) -> None:
    assert len(await names(many, query=query)) == count


@pytest.mark.parametrize(
    "fields",
    [{"filter": "nonsense = 1"}, {"filter": "name ="}, {"order_by": "owner_id"}, {"page_token": "x"}],
)
async def test_what_a_list_cannot_read_is_refused(many: World, fields: dict[str, Any]) -> None:
    refused = await many.refused("ListDefinitions", pb.ListDefinitionsRequest(**fields))

    assert refused.code == "INVALID_ARGUMENT"
    assert refused.reason in ("INVALID_FILTER", "INVALID_FIELD", "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("other", [{"filter": "type = MCP"}, {"order_by": "name"}, {"query": "x"}])
async def test_a_page_token_belongs_to_its_list(many: World, other: dict[str, Any]) -> None:
    token = (await many.call("ListDefinitions", pb.ListDefinitionsRequest(), ADMIN)).next_page_token

    refused = await many.refused(
        "ListDefinitions", pb.ListDefinitionsRequest(page_token=token, **other), ADMIN
    )

    assert refused.reason == "INVALID_PAGE_TOKEN"


async def test_workflows_are_listed_searched_and_filtered_too(world: World) -> None:
    component = await world.component()
    made = [
        await world.workflow(
            f"name: {world.name('listed')}\ntags: [listing, t{n}]\ndescription: Tide of {n}\n"
            f"steps: [{{id: a, component: {component}, with: {{city: x}}}}]\n"
        )
        for n in range(5)
    ]

    async def found(**fields: Any) -> list[str]:
        answer = await world.call("ListWorkflows", pb.ListWorkflowsRequest(**fields))
        return [one.name for one in answer.workflows]

    assert await found(filter="tags:listing") == [one.name for one in reversed(made)]
    assert await found(query="tide t3") == [made[3].name]
    first = await world.call("ListWorkflows", pb.ListWorkflowsRequest(filter="tags:listing", page_size=2))
    rest = await world.call(
        "ListWorkflows",
        pb.ListWorkflowsRequest(filter="tags:listing", page_size=3, page_token=first.next_page_token),
    )
    assert [one.name for one in rest.workflows] == [one.name for one in reversed(made[:3])]
    assert not first.workflows[0].steps


async def test_a_page_of_many_rows_reads_an_index(many: World) -> None:
    assert many.server.db is not None
    async with many.server.db.begin(audited=False) as tx:
        await tx.execute(text("ANALYZE definitions"))
    async with many.server.db.read() as tx:
        plan = await tx.execute(
            text(
                "EXPLAIN SELECT id FROM definitions WHERE (visibility = 'PUBLIC' OR owner_id = 'x')"
                " AND created_at <= now() ORDER BY created_at DESC, id DESC LIMIT 51"
            )
        )
        lines = "\n".join(row[0] for row in plan)

    assert "Index" in lines
    assert "Sort" not in lines
