"""Data sources themselves: made, found, changed, deleted."""

from typing import Any

import pytest

from chassis.errors import AlreadyExists, Conflict, Denied, Invalid, NotFound, ServiceError
from datasources.tables import schema_snapshots, secrets
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.calls import answer, create, get, sales, update
from tests.datasources.conftest import Target, World
from tests.support.callers import ADMIN, ANONYMOUS, EDITOR, VIEWER, as_caller


async def names(world: World, **fields: Any) -> list[str]:
    found = await answer(
        world.stub.ListDataSources(pb.ListDataSourcesRequest(**fields), metadata=as_caller(VIEWER))
    )
    return [one.name for one in found.data_sources]


async def test_a_new_data_source_has_what_it_was_given_and_the_defaults(world: World) -> None:
    made = await create(world, sales(display_name="Sales", description="All of them"))

    assert made.display_name == "Sales"
    assert made.port == 5432
    assert made.tls_mode == pb.DataSource.PREFER
    assert made.owner_id == ADMIN.id
    assert made.etag
    assert not made.has_secret
    assert made.created_at == made.updated_at
    assert await get(world) == made
    assert await get(world, made.id) == made


async def test_away_from_this_machine_verified_tls_is_the_default(world: World) -> None:
    world.names["db.example.com"] = ["93.184.215.14"]

    made = await create(world, sales(host="db.example.com"))

    assert made.tls_mode == pb.DataSource.REQUIRE_VERIFIED


async def test_without_tls_only_this_machine_is_accepted(world: World) -> None:
    world.names["db.example.com"] = ["93.184.215.14"]

    with pytest.raises(Invalid) as caught:
        await create(world, sales(host="db.example.com", tls_mode=pb.DataSource.DISABLED))

    assert caught.value.fields[0].field == "data_source.tls_mode"


@pytest.mark.parametrize("field", ["name", "type", "host", "database", "username"])
async def test_what_is_required_must_be_there(field: str, world: World) -> None:
    source = sales()
    source.ClearField(field)

    with pytest.raises(Invalid) as caught:
        await create(world, source)

    assert caught.value.reason == "INVALID_FIELD"
    assert [one.field for one in caught.value.fields] == [f"data_source.{field}"]


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Sales"},
        {"name": "a" * 64},
        {"host": "db.example.com; drop"},
        {"host": "db sslmode=disable"},
        {"host": "/var/run/postgresql"},
        {"host": "a,b"},
        {"port": 65536},
        {"type": 7},
        {"secret_ref": "vault:x"},
        {"display_name": "a\0b"},
    ],
)
async def test_a_field_that_breaks_its_rule_is_refused(fields: dict[str, Any], world: World) -> None:
    with pytest.raises(Invalid):
        await create(world, sales(**fields))


async def test_a_name_is_taken_once(world: World) -> None:
    await create(world, sales())

    with pytest.raises(AlreadyExists) as caught:
        await create(world, sales())

    assert caught.value.reason == "DATA_SOURCE_NAME_TAKEN"


async def test_a_repeated_request_gets_the_same_answer_and_another_body_none(world: World) -> None:
    first = await create(world, sales(), request_id="one")
    world.names["127.0.0.1"] = ["10.0.0.1"]

    second = await create(world, sales(), request_id="one")

    assert second == first
    with pytest.raises(AlreadyExists) as caught:
        await create(world, sales(name="other"), request_id="one")
    assert caught.value.reason == "REQUEST_ID_REUSED"
    assert await names(world) == ["sales"]


async def test_a_validated_data_source_is_not_made(world: World) -> None:
    shown = await create(world, sales(secret_value="x"), validate_only=True)

    assert shown.name == "sales"
    assert await names(world) == []
    assert await world.records() == []


@pytest.mark.parametrize(
    ("caller", "reason"), [(VIEWER, "PERMISSION_MISSING"), (ANONYMOUS, "CREDENTIALS_MISSING")]
)
async def test_who_may_not_make_data_sources_makes_none(caller: Any, reason: str, world: World) -> None:
    with pytest.raises(ServiceError) as caught:
        await create(world, sales(), caller=caller)

    assert caught.value.reason == reason


async def test_a_document_makes_the_same_data_source(world: World) -> None:
    source = (
        "name: sales\ntype: postgresql\nhost: 127.0.0.1\nport: 5433\n"
        'database: sales\nusername: "reader"\nsecretValue: "hunter2"\n'
    )

    made = (
        await answer(
            world.stub.CreateDataSource(pb.CreateDataSourceRequest(source=source), metadata=as_caller(ADMIN))
        )
    ).data_source

    assert (made.name, made.port, made.has_secret) == ("sales", 5433, True)


async def test_a_documents_fields_obey_the_contracts_rules(world: World) -> None:
    for source, field in (("name: Sales", "name"), ("{name: sales, host: 'a b'}", "host")):
        with pytest.raises(Invalid) as caught:
            await answer(
                world.stub.CreateDataSource(
                    pb.CreateDataSourceRequest(source=source), metadata=as_caller(ADMIN)
                )
            )
        assert caught.value.fields[0].field == field


async def test_either_a_message_or_a_document(world: World) -> None:
    for request in (
        pb.CreateDataSourceRequest(),
        pb.CreateDataSourceRequest(data_source=sales(), source="name: a"),
    ):
        with pytest.raises(Invalid) as caught:
            await answer(world.stub.CreateDataSource(request, metadata=as_caller(ADMIN)))
        assert "exactly one" in caught.value.message


async def test_only_the_fields_of_the_mask_change(world: World) -> None:
    made = await create(world, sales(description="old", display_name="Old"))

    changed = await update(world, pb.DataSource(description="new", display_name="New"), "description")

    assert (changed.description, changed.display_name) == ("new", "Old")
    assert changed.etag != made.etag
    assert changed.updated_at.ToDatetime() >= made.updated_at.ToDatetime()
    assert await get(world) == changed


async def test_without_a_mask_the_fields_that_are_there_change(world: World) -> None:
    await create(world, sales(description="old", display_name="Old"))

    changed = await update(world, pb.DataSource(display_name="New", database="other"))

    assert (changed.description, changed.display_name, changed.database) == ("old", "New", "other")


@pytest.mark.parametrize("path", ["name", "type", "id", "has_secret", "owner_id", "created_at", "nonsense"])
async def test_what_cannot_be_changed_is_no_path(path: str, world: World) -> None:
    await create(world, sales())

    with pytest.raises(Invalid) as caught:
        await update(world, pb.DataSource(), path)

    assert caught.value.reason == "INVALID_UPDATE_MASK"


async def test_another_name_is_refused_and_the_same_name_is_not(world: World) -> None:
    await create(world, sales())

    assert (await update(world, sales(description="new"))).description == "new"
    with pytest.raises(Invalid) as caught:
        await update(world, sales(name="other"))
    assert caught.value.reason == "INVALID_UPDATE_MASK"


async def test_a_stale_etag_changes_nothing(world: World) -> None:
    made = await create(world, sales())
    await update(world, pb.DataSource(description="first"))

    with pytest.raises(Conflict) as caught:
        await update(world, pb.DataSource(description="second", etag=made.etag))

    assert caught.value.reason == "ETAG_MISMATCH"
    assert (await get(world)).description == "first"


async def test_a_validated_change_is_not_made(world: World) -> None:
    made = await create(world, sales())

    shown = await update(world, pb.DataSource(description="new"), validate_only=True)

    assert shown.description == "new"
    assert await get(world) == made


async def test_a_required_field_cannot_be_emptied(world: World) -> None:
    await create(world, sales())

    with pytest.raises(Invalid) as caught:
        await update(world, pb.DataSource(), "host")

    assert caught.value.fields[0].field == "data_source.host"


async def test_a_deleted_data_source_is_gone_with_all_it_had(world: World, target: Target) -> None:
    made = await world.create(target.data_source("sales"))
    await world.stub.ScanSchema(pb.ScanSchemaRequest(data_source_id="sales"), metadata=as_caller(ADMIN))
    await world.query("SELECT 1", source="sales")
    request = pb.DeleteDataSourceRequest(data_source_id="sales", request_id="gone")

    with pytest.raises(Denied):
        await answer(world.stub.DeleteDataSource(request, metadata=as_caller(EDITOR)))
    stale = pb.DeleteDataSourceRequest(data_source_id="sales", etag='"0"')
    with pytest.raises(Conflict):
        await answer(world.stub.DeleteDataSource(stale, metadata=as_caller(ADMIN)))
    await world.stub.DeleteDataSource(request, metadata=as_caller(ADMIN))
    await world.stub.DeleteDataSource(request, metadata=as_caller(ADMIN))

    for key in ("sales", made.id):
        with pytest.raises(NotFound):
            await get(world, key)
    assert world.service.pools.open == 0
    async with world.service.db.read() as tx:
        assert (await tx.execute(secrets.select())).all() == []
        assert (await tx.execute(schema_snapshots.select())).all() == []


async def test_pages_follow_each_other_newest_first(world: World) -> None:
    for number in range(5):
        await create(world, sales(name=f"s{number}"))

    seen: list[str] = []
    token = ""
    while True:
        page = await world.stub.ListDataSources(
            pb.ListDataSourcesRequest(page_size=2, page_token=token), metadata=as_caller(VIEWER)
        )
        seen += [one.name for one in page.data_sources]
        token = page.next_page_token
        if not token:
            break

    assert seen == ["s4", "s3", "s2", "s1", "s0"]


async def test_a_filter_narrows_the_list(world: World) -> None:
    world.names["db.example.com"] = ["93.184.215.14"]
    await create(world, sales(name="here"))
    await create(world, sales(name="there", host="db.example.com"))

    assert await names(world, filter='host = "db.example.com"') == ["there"]
    assert await names(world, filter="type = POSTGRESQL AND name != there") == ["here"]
    for filter_ in ("port = 5432", "type = ORACLE", "name ="):
        with pytest.raises(Invalid) as caught:
            await names(world, filter=filter_)
        assert caught.value.reason == "INVALID_FILTER"


async def test_a_page_token_of_another_filter_is_refused(world: World) -> None:
    for number in range(3):
        await create(world, sales(name=f"s{number}"))
    page = await world.stub.ListDataSources(
        pb.ListDataSourcesRequest(page_size=1), metadata=as_caller(VIEWER)
    )

    with pytest.raises(Invalid) as caught:
        await names(world, page_token=page.next_page_token, filter="name = s1")

    assert caught.value.reason == "INVALID_PAGE_TOKEN"


async def test_types_say_what_a_form_needs(world: World) -> None:
    found = await world.stub.ListDataSourceTypes(pb.ListDataSourceTypesRequest(), metadata=as_caller(VIEWER))

    (postgresql,) = found.data_source_types
    assert (postgresql.name, postgresql.default_port) == ("PostgreSQL", 5432)
    assert "host" in postgresql.required_fields


async def test_changes_leave_records_of_what_was_and_what_is(world: World) -> None:
    await create(world, sales(description="old"))
    await update(world, pb.DataSource(description="new"))
    await world.stub.DeleteDataSource(
        pb.DeleteDataSourceRequest(data_source_id="sales"), metadata=as_caller(ADMIN)
    )

    made, changed, deleted = await world.records()
    assert [one["action"] for one in (made, changed, deleted)] == [
        "DATA_SOURCE_CREATED",
        "DATA_SOURCE_UPDATED",
        "DATA_SOURCE_DELETED",
    ]
    assert (changed["details"]["old"]["description"], changed["details"]["new"]["description"]) == (
        "old",
        "new",
    )
    assert "new" not in deleted["details"]
