"""Finding definitions and workflows: by words, by labels, by owner, by stars."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from chassis.access import Subject
from chassis.context import Caller
from chassis.ids import uuid7
from mcpanel.registry.v1 import registry_pb2 as pb
from registry.domain import definitions
from registry.store import lookup
from registry.tables import definitions as table
from tests.registry.conftest import Start, World
from tests.support.callers import ADMIN, EDITOR, OTHER_EDITOR, VIEWER

ROWS = 10_000


@pytest.fixture(scope="module")
async def large(start: Start) -> World:
    """A registry with ten thousand public definitions, of which one tells of ospreys."""
    world = await start()
    rows: list[dict[str, Any]] = []
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(ROWS):
        sent = definitions.Sent(
            name=f"row-{number:05}",
            type="DATA",
            visibility="PUBLIC",
            description="Counts ospreys by the river" if number == 4711 else "Counts things by the river",
        )
        now = moment + timedelta(seconds=number)
        made = definitions.create(sent, id=uuid7(now), owner_id=EDITOR.id, now=now)
        values = {column.name: getattr(made, column.name) for column in table.c}
        rows.append(values | {"tags": [], "compliance": []})
    assert world.server.db is not None
    async with world.server.db.begin(audited=False) as tx:
        await tx.execute(insert(table), rows)
    return world


async def found(world: World, caller: Caller = EDITOR, **fields: Any) -> list[str]:
    answer = await world.call("ListDefinitions", pb.ListDefinitionsRequest(page_size=1000, **fields), caller)
    return [one.name for one in answer.definitions]


async def workflows(world: World, caller: Caller = EDITOR, **fields: Any) -> list[str]:
    answer = await world.call("ListWorkflows", pb.ListWorkflowsRequest(page_size=1000, **fields), caller)
    return [one.name for one in answer.workflows]


async def test_a_word_is_found_among_ten_thousand_wherever_it_stands_in_a_word(large: World) -> None:
    assert await found(large, query="OSPREY river") == ["row-04711"]
    assert await found(large, query="sprey") == ["row-04711"]
    assert await found(large, query="osprey mountain") == []


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (lookup.Wanted(limit=50, words=("osprey", "river")), "ix_definitions_trigrams"),
        (lookup.Wanted(50, orders=lookup.orders("stars desc", "stars")), "ix_definitions_star_count"),
        (lookup.Wanted(50, orders=lookup.orders("updated_at desc")), "ix_definitions_updated_at"),
    ],
    ids=["words", "stars", "updated_at"],
)
async def test_a_page_of_ten_thousand_reads_an_index(large: World, wanted: lookup.Wanted, index: str) -> None:
    assert large.server.db is not None
    statement = lookup.page(select(table).where(lookup.visible(table, Subject(EDITOR.id))), table, wanted, {})

    async with large.server.db.begin(audited=False) as tx:
        await tx.execute(text("ANALYZE definitions"))
        sql = statement.compile(dialect=tx.connection.dialect, compile_kwargs={"literal_binds": True})
        plan = "\n".join((await tx.connection.exec_driver_sql(f"EXPLAIN {sql}")).scalars())

    assert index in plan


async def test_a_list_is_narrowed_by_labels_as_people_write_them(world: World) -> None:
    label = world.name("label")
    cheap = await world.definition(tags=[label, "a"], compliance=["SOC2", "GDPR"], cost_tier="LOW")
    dear = await world.definition(tags=[label, "b"], compliance=["SOC2"], cost_tier="HIGH", type="MCP")

    assert await found(world, tags=[label]) == [dear.name, cheap.name]
    assert await found(world, tags=[label, "a"]) == [cheap.name]
    assert await found(world, tags=[label], compliance=["SOC2", "GDPR"]) == [cheap.name]
    assert await found(world, tags=[label], cost_tier=["High", "FREE"]) == [dear.name]
    assert await found(world, tags=[label], type=["mcp"]) == [dear.name]


async def test_a_list_is_narrowed_by_visibility_and_owner(world: World) -> None:
    label = world.name("label")
    public = await world.definition(tags=[label], visibility="PUBLIC")
    private = await world.definition(tags=[label])
    others = await world.definition(OTHER_EDITOR, tags=[label], visibility="PUBLIC")
    await world.definition(OTHER_EDITOR, tags=[label])

    assert await found(world, tags=[label]) == [others.name, private.name, public.name]
    assert await found(world, tags=[label], visibility="Public") == [others.name, public.name]
    assert await found(world, tags=[label], visibility="PRIVATE") == [private.name]
    assert await found(world, tags=[label], owner="me") == [private.name, public.name]
    assert await found(world, tags=[label], owner=OTHER_EDITOR.id) == [others.name]


@pytest.mark.parametrize("fields", [{"cost_tier": ["cheap"]}, {"visibility": "secret"}, {"type": ["x"]}])
async def test_an_unknown_word_is_refused_with_those_there_are(world: World, fields: dict[str, Any]) -> None:
    refused = await world.refused("ListDefinitions", pb.ListDefinitionsRequest(**fields))

    assert refused.reason == "INVALID_FIELD"
    assert "there are" in refused.message


async def test_what_everybody_who_sees_it_may_star_is_counted_once_each(world: World) -> None:
    made = await world.definition(visibility="PUBLIC")
    star = pb.StarDefinitionRequest(definition_id=made.id)

    await world.call("StarDefinition", star, VIEWER)
    await world.call("StarDefinition", star, VIEWER)
    mine = (await world.call("StarDefinition", star, EDITOR)).definition

    assert (mine.star_count, mine.starred) == (2, True)
    assert mine.etag == made.etag
    others = await world.call("GetDefinition", pb.GetDefinitionRequest(definition_id=made.id), OTHER_EDITOR)
    assert (others.definition.star_count, others.definition.starred) == (2, False)
    assert made.name in await found(world, VIEWER, starred=True)
    assert made.name not in await found(world, OTHER_EDITOR, starred=True)


async def test_a_star_is_taken_back_by_whoever_gave_it(world: World) -> None:
    made = await world.definition(visibility="PUBLIC")
    await world.call("StarDefinition", pb.StarDefinitionRequest(definition_id=made.id), VIEWER)
    unstar = pb.UnstarDefinitionRequest(definition_id=made.name)

    assert (await world.call("UnstarDefinition", unstar, OTHER_EDITOR)).definition.star_count == 1
    assert (await world.call("UnstarDefinition", unstar, VIEWER)).definition.star_count == 0
    assert (await world.call("UnstarDefinition", unstar, VIEWER)).definition.star_count == 0


async def test_what_is_hidden_cannot_be_starred(world: World) -> None:
    made = await world.definition()

    refused = await world.refused("StarDefinition", pb.StarDefinitionRequest(definition_id=made.id), VIEWER)

    assert refused.reason == "DEFINITION_NOT_FOUND"


async def test_the_most_starred_come_first_page_by_page(world: World) -> None:
    label = world.name("label")
    made = [await world.definition(tags=[label], visibility="PUBLIC") for _ in range(3)]
    for one, fans in ((made[1], (VIEWER, EDITOR)), (made[2], (ADMIN,))):
        for fan in fans:
            await world.call("StarDefinition", pb.StarDefinitionRequest(definition_id=one.id), fan)

    request = pb.ListDefinitionsRequest(tags=[label], order_by="stars desc", page_size=2)
    first = await world.call("ListDefinitions", request)
    request.page_token = first.next_page_token
    second = await world.call("ListDefinitions", request)

    assert [one.name for one in first.definitions] == [made[1].name, made[2].name]
    assert [one.name for one in second.definitions] == [made[0].name]


async def test_what_was_changed_last_comes_first(world: World) -> None:
    label = world.name("label")
    old, new = [await world.definition(tags=[label]) for _ in range(2)]
    change = pb.UpdateDefinitionRequest(definition_id=old.id, definition={"description": "changed"})
    await world.call("UpdateDefinition", change)

    assert await found(world, tags=[label], order_by="updated_at desc") == [old.name, new.name]


async def test_what_has_no_version_left_to_use_is_hidden_until_it_is_asked_for(world: World) -> None:
    label = world.name("label")
    made = await world.definition(tags=[label])
    version = await world.version(made.name)
    await world.call("DeprecateVersion", pb.DeprecateVersionRequest(version_id=version.id))

    assert await found(world, tags=[label]) == []
    assert await found(world, tags=[label], include_deprecated=True) == [made.name]

    await world.version(made.name, "2.0.0")
    assert await found(world, tags=[label]) == [made.name]
