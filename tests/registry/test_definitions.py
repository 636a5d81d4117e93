"""Definitions over the wire."""

import asyncio
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from chassis.errors import ServiceError
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import PYTHON, World
from tests.support.callers import ADMIN, ANONYMOUS, EDITOR, OTHER_EDITOR, VIEWER


def updating(key: str, *paths: str, **fields: Any) -> pb.UpdateDefinitionRequest:
    """A request to change a definition; a mask only where paths are given."""
    request = pb.UpdateDefinitionRequest(definition_id=key, definition=component_pb2.Definition(**fields))
    if paths:
        request.update_mask.CopyFrom(FieldMask(paths=paths))
    return request


async def test_a_created_definition_can_be_read_by_id_and_by_name(world: World) -> None:
    created = await world.definition(display_name="Weather", tags=["noaa", "noaa", "x"], visibility="PUBLIC")

    by_id = await world.call("GetDefinition", pb.GetDefinitionRequest(definition_id=created.id))
    by_name = await world.call("GetDefinition", pb.GetDefinitionRequest(definition_id=created.name), VIEWER)

    assert by_id.definition == created == by_name.definition
    assert list(created.tags) == ["noaa", "x"]
    assert created.owner_id == EDITOR.id
    assert created.cost_tier == component_pb2.Definition.FREE
    assert created.etag
    assert created.created_at == created.updated_at


async def test_a_definition_comes_with_its_first_version_in_one_transaction(world: World) -> None:
    first = component_pb2.Version(
        version="0.1.0", python_script=component_pb2.PythonScriptConfig(code_content=PYTHON)
    )
    name = world.name()
    definition = component_pb2.Definition(name=name, type="PYTHON_SCRIPT")

    answer = await world.call(
        "CreateDefinition", pb.CreateDefinitionRequest(definition=definition, initial_version=first)
    )

    assert answer.definition.latest_version == "0.1.0"
    assert answer.initial_version.definition_id == answer.definition.id
    shown = await world.call("GetVersion", pb.GetVersionRequest(version_id=answer.initial_version.id))
    assert shown.version == answer.initial_version


async def test_a_wrong_first_version_leaves_no_definition_behind(world: World) -> None:
    name = world.name()
    request = pb.CreateDefinitionRequest(
        definition=component_pb2.Definition(name=name, type="PYTHON_SCRIPT"),
        initial_version=component_pb2.Version(
            version="1.0.0", mcp=component_pb2.McpConfig(mcp_configuration="{}")
        ),
    )

    refused = await world.refused("CreateDefinition", request)
    missing = await world.refused("GetDefinition", pb.GetDefinitionRequest(definition_id=name))

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "CONFIG_TYPE_MISMATCH")
    assert refused.fields[0].field == "initial_version.mcp"
    assert missing.reason == "DEFINITION_NOT_FOUND"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"type": "PYTHON_SCRIPT"}, "definition.name"),
        ({"name": "a-name"}, "definition.type"),
        ({"name": "Not A Name", "type": "DATA"}, "definition.name"),
        ({"name": "a-name", "type": "DATA", "tags": [""]}, "definition.tags[0]"),
    ],
)
async def test_what_is_missing_or_malformed_is_named(
    world: World, fields: dict[str, Any], field: str
) -> None:
    request = pb.CreateDefinitionRequest(definition=component_pb2.Definition(**fields))

    refused = await world.refused("CreateDefinition", request)

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert [one.field for one in refused.fields] == [field]


async def test_a_name_is_taken_once_however_many_want_it_at_a_time(world: World) -> None:
    name = world.name()
    requests = [
        world.call(
            "CreateDefinition",
            pb.CreateDefinitionRequest(definition=component_pb2.Definition(name=name, type="DATA")),
        )
        for _ in range(8)
    ]

    results = await asyncio.gather(*requests, return_exceptions=True)

    losers = [one for one in results if isinstance(one, ServiceError)]
    assert len(losers) == 7
    assert {one.reason for one in losers} == {"DEFINITION_NAME_TAKEN"}
    assert {one.code for one in losers} == {"ALREADY_EXISTS"}


async def test_a_repeated_request_id_gets_the_first_answer_and_makes_nothing_new(world: World) -> None:
    definition = component_pb2.Definition(name=world.name(), type="DATA")
    request = pb.CreateDefinitionRequest(definition=definition, request_id=world.name("request"))

    first = await world.call("CreateDefinition", request)
    again = await world.call("CreateDefinition", request)
    request.definition.description = "another body"
    other = await world.refused("CreateDefinition", request)

    assert first == again
    assert other.reason == "REQUEST_ID_REUSED"


async def test_validate_only_checks_and_leaves_nothing(world: World) -> None:
    definition = component_pb2.Definition(name=world.name(), type="DATA")
    request = pb.CreateDefinitionRequest(definition=definition, validate_only=True)

    answer = await world.call("CreateDefinition", request)
    missing = await world.refused("GetDefinition", pb.GetDefinitionRequest(definition_id=definition.name))

    assert answer.definition.name == definition.name
    assert missing.code == "NOT_FOUND"


async def test_a_private_definition_is_nowhere_for_others_but_administrators(
    world: World,
) -> None:
    private = await world.definition()
    request = pb.GetDefinitionRequest(definition_id=private.id)

    for caller in (OTHER_EDITOR, VIEWER):
        refused = await world.refused("GetDefinition", request, caller)
        assert (refused.code, refused.reason) == ("NOT_FOUND", "DEFINITION_NOT_FOUND")
        listing = pb.ListDefinitionsRequest(filter=f'name = "{private.name}"')
        assert not (await world.call("ListDefinitions", listing, caller)).definitions
        changing = updating(private.id, description="mine now")
        assert (await world.refused("UpdateDefinition", changing, OTHER_EDITOR)).code == "NOT_FOUND"
    for caller in (EDITOR, ADMIN):
        assert (await world.call("GetDefinition", request, caller)).definition == private


async def test_who_may_not_is_refused(world: World) -> None:
    made = await world.definition(visibility="PUBLIC")
    creating = pb.CreateDefinitionRequest(definition=component_pb2.Definition(name=world.name(), type="DATA"))
    deleting = pb.DeleteDefinitionRequest(definition_id=made.id)

    viewer = await world.refused("CreateDefinition", creating, VIEWER)
    editor = await world.refused("DeleteDefinition", deleting, EDITOR)
    nobody = await world.refused("GetDefinition", pb.GetDefinitionRequest(definition_id=made.id), ANONYMOUS)

    assert (viewer.code, viewer.reason) == ("PERMISSION_DENIED", "PERMISSION_MISSING")
    assert viewer.metadata["permission"] == "definitions.create"
    assert editor.metadata["permission"] == "definitions.delete"
    assert (nobody.code, nobody.reason) == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")


async def test_an_update_without_a_mask_changes_what_is_present(world: World) -> None:
    made = await world.definition(description="old", tags=["a"], cost_tier="HIGH")

    changed = (await world.call("UpdateDefinition", updating(made.name, description="new"))).definition

    assert (changed.description, list(changed.tags)) == ("new", ["a"])
    assert changed.cost_tier == component_pb2.Definition.HIGH
    assert changed.etag != made.etag
    assert changed.updated_at.ToDatetime() > made.updated_at.ToDatetime()


async def test_a_mask_can_empty_a_field_and_leaves_the_others(world: World) -> None:
    made = await world.definition(description="old", tags=["a"])
    request = updating(made.id, "tags", description="not in the mask")

    changed = (await world.call("UpdateDefinition", request)).definition

    assert (changed.description, list(changed.tags)) == ("old", [])


async def test_a_change_that_changes_nothing_keeps_the_etag(world: World) -> None:
    made = await world.definition(description="old")

    same = (await world.call("UpdateDefinition", updating(made.id, description="old"))).definition

    assert same == made


@pytest.mark.parametrize("path", ["name", "type", "owner_id", "created_at", "nonsense"])
async def test_a_mask_names_only_what_may_change(world: World, path: str) -> None:
    made = await world.definition()

    refused = await world.refused("UpdateDefinition", updating(made.id, path, description="x"))

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_UPDATE_MASK")
    assert path in refused.message


async def test_name_and_type_stay(world: World) -> None:
    made = await world.definition()

    name = await world.refused("UpdateDefinition", updating(made.id, name="another"))
    kind = await world.refused("UpdateDefinition", updating(made.id, type="MCP"))
    same = await world.call("UpdateDefinition", updating(made.id, name=made.name, description="x"))

    assert name.reason == kind.reason == "INVALID_UPDATE_MASK"
    assert same.definition.description == "x"


async def test_of_those_who_read_the_same_etag_one_wins(world: World) -> None:
    made = await world.definition()
    changes = [
        world.call("UpdateDefinition", updating(made.id, description=f"writer {n}", etag=made.etag))
        for n in range(6)
    ]

    results = await asyncio.gather(*changes, return_exceptions=True)

    losers = [one for one in results if isinstance(one, ServiceError)]
    assert len(losers) == 5
    assert {(one.code, one.reason) for one in losers} == {("ABORTED", "ETAG_MISMATCH")}


async def test_a_deleted_definition_takes_its_versions_along(world: World) -> None:
    made = await world.definition()
    version = await world.version(made.id)
    stale = pb.DeleteDefinitionRequest(definition_id=made.id, etag="stale")
    request = pb.DeleteDefinitionRequest(definition_id=made.id)

    refused = await world.refused("DeleteDefinition", stale, ADMIN)
    await world.call("DeleteDefinition", request, ADMIN)

    assert refused.reason == "ETAG_MISMATCH"
    gone = await world.refused("GetVersion", pb.GetVersionRequest(version_id=version.id))
    assert (gone.code, gone.reason) == ("NOT_FOUND", "VERSION_NOT_FOUND")
    assert (await world.refused("DeleteDefinition", request, ADMIN)).reason == "DEFINITION_NOT_FOUND"


async def test_a_definition_that_a_workflow_runs_is_kept_until_no_newest_version_does(world: World) -> None:
    used, other = await world.component(), await world.component()
    document = "name: {}\nsteps:\n  - {{id: a, component: {}, with: {{city: x}}}}\n"
    workflow = await world.workflow(document.format(world.name("flow"), used))
    request = pb.DeleteDefinitionRequest(definition_id=used)

    refused = await world.refused("DeleteDefinition", request, ADMIN)
    await world.call(
        "UpdateWorkflow",
        pb.UpdateWorkflowRequest(workflow_id=workflow.id, source=document.format(workflow.name, other)),
    )
    await world.call("DeleteDefinition", request, ADMIN)

    assert (refused.code, refused.reason) == ("FAILED_PRECONDITION", "DEFINITION_IN_USE")
    assert refused.metadata["workflows"] == workflow.name
    assert workflow.name in refused.message


async def test_every_change_leaves_one_record_for_the_action_log(world: World) -> None:
    db = world.server.db
    assert db is not None
    outbox = db.tables.outbox
    made = await world.definition(description="before")
    await world.call("UpdateDefinition", updating(made.id, description="after"))
    await world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=made.id), ADMIN)

    async with db.read() as tx:
        of_it = outbox.select().where(outbox.c.record["entity_id"].astext == made.id)
        rows = await tx.execute(of_it.order_by(outbox.c.seq))
        records = [row.record for row in rows]

    assert [one["action"] for one in records] == ["MCP_CREATED", "MCP_UPDATED", "MCP_DELETED"]
    assert records[1]["details"]["old"]["description"] == "before"
    assert records[1]["details"]["new"]["description"] == "after"
    assert [one["actor"]["id"] for one in records] == [EDITOR.id, EDITOR.id, ADMIN.id]
