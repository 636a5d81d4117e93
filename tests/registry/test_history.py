"""The history of definitions and workflows, from a real action log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from audit.__main__ import build
from audit.checkpoint import Signer
from audit.config import Config
from audit.tables import metadata
from chassis.config import Address
from chassis.database import Database
from mcpanel.registry.v1 import component_pb2, history_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import Start, World
from tests.registry.documents import document
from tests.registry.owned import share
from tests.support.callers import EDITOR, KEEPER, OTHER_EDITOR, TestAuthenticator
from tests.support.servers import TestPostgres


@pytest.fixture(scope="module")
async def world(
    start: Start, postgres: TestPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A registry whose records go to an action log of their own."""
    folder: Path = tmp_path_factory.mktemp("history")
    url = postgres.create_database("audit", migrate="audit")
    address = Address(f"unix:{folder}/audit")
    config = Config(
        home=folder, listen=address, metrics_listen=None, database_url=url, origin="test.local/audit"
    )
    db, signer = Database(url, metadata, name="audit"), Signer.generate("test.local/audit")
    audit = build(config, db, lambda: signer, TestAuthenticator(), None)
    await audit.start()
    (folder / "key").write_text("registry-token")
    yield await start(MCPANEL_AUDIT_ADDRESS=str(address), MCPANEL_KEY_FILE=f"{folder}/key")
    await audit.stop(grace=0)
    await db.close()


async def history(world: World, key: str, count: int, caller: Any = EDITOR, **fields: Any) -> list[Any]:
    """The definition's or workflow's history, once it has so many entries."""
    kind = fields.pop("kind", "definition")
    request = getattr(history_pb2, f"List{kind.title()}HistoryRequest")(**{f"{kind}_id": key}, **fields)
    while True:
        answer = await world.call(f"List{kind.title()}History", request, caller)
        if len(answer.entries) >= count:
            return list(answer.entries)
        await asyncio.sleep(0.05)


def actions(entries: list[Any]) -> list[str]:
    """What was done, the newest first."""
    return [one.action for one in entries]


async def test_it_says_who_did_what_to_a_definition_and_its_versions_the_newest_first(world: World) -> None:
    made = await world.definition(description="old")
    version = await world.version(made.id)
    changed = component_pb2.Definition(description="new")
    await world.call(
        "UpdateDefinition", pb.UpdateDefinitionRequest(definition_id=made.id, definition=changed)
    )
    await world.call(
        "DeprecateVersion", pb.DeprecateVersionRequest(version_id=version.id, message="use another")
    )

    deprecated, updated, versioned, created = await history(world, made.name, 4)

    assert actions([deprecated, updated, versioned, created]) == [
        "MCP_VERSION_DEPRECATED",
        "MCP_UPDATED",
        "MCP_VERSION_CREATED",
        "MCP_CREATED",
    ]
    assert {one.actor_id for one in (deprecated, updated, versioned, created)} == {EDITOR.id}
    assert (created.actor_name, created.actor_kind) == (EDITOR.name, "user")
    assert (versioned.entity_type, versioned.entity_id) == ("version", version.id)
    assert (updated.old["description"], updated.new["description"]) == ("old", "new")
    assert list(updated.changed) == ["description"]
    assert "deprecation_message" in deprecated.changed
    assert not created.HasField("old")
    assert not created.changed


async def test_it_is_read_in_pages_that_leave_nothing_out(world: World) -> None:
    made = await world.definition()
    for number in range(4):
        await world.version(made.id, f"1.{number}.0")
    whole = await history(world, made.id, 5)

    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        request = history_pb2.ListDefinitionHistoryRequest(
            definition_id=made.id, page_size=2, page_token=token
        )
        answer = await world.call("ListDefinitionHistory", request)
        pages.append([one.id for one in answer.entries])
        token = answer.next_page_token
    refused = await world.refused(
        "ListDefinitionHistory",
        history_pb2.ListDefinitionHistoryRequest(definition_id=made.name, page_token="wrong"),
    )

    assert [len(page) for page in pages] == [2, 2, 1]
    assert [id_ for page in pages for id_ in page] == [one.id for one in whole]
    assert refused.reason == "INVALID_PAGE_TOKEN"


async def test_a_workflow_has_one_with_what_its_versions_ran(world: World) -> None:
    component = await world.component()
    made = await world.workflow(document(world.name("flow"), component))
    source = document(made.name, component, priority="5")
    await world.call("UpdateWorkflow", pb.UpdateWorkflowRequest(workflow_id=made.id, source=source))

    updated, created = await history(world, made.name, 2, kind="workflow")

    assert actions([updated, created]) == ["WORKFLOW_UPDATED", "WORKFLOW_CREATED"]
    assert (updated.old["version"], updated.new["version"]) == (1, 2)
    assert json_format.MessageToDict(created.new)["steps"] == [
        {"id": "a", "component": component, "version": "1.0.0"}
    ]


async def test_with_whom_it_is_shared_is_told_to_those_who_may_share_it(world: World) -> None:
    made = await world.definition(visibility="PUBLIC")
    await share(world, made.id, "VIEW", user_id=KEEPER.id)

    own = await history(world, made.id, 2)
    others = await history(world, made.id, 1, OTHER_EDITOR)

    assert actions(own) == ["TEMPLATE_SHARED", "MCP_CREATED"]
    assert actions(others) == ["MCP_CREATED"]


async def test_who_starred_it_is_not_in_it(world: World) -> None:
    made = await world.definition()
    await world.call("StarDefinition", pb.StarDefinitionRequest(definition_id=made.id))
    await world.version(made.id)

    entries = await history(world, made.id, 2)

    assert actions(entries) == ["MCP_VERSION_CREATED", "MCP_CREATED"]


async def test_what_was_refused_and_what_belongs_to_others_is_not_in_it(world: World) -> None:
    made, other = await world.definition(visibility="PUBLIC"), await world.definition()
    change = pb.UpdateDefinitionRequest(
        definition_id=made.id, definition=component_pb2.Definition(description="taken over")
    )
    denied = await world.refused("UpdateDefinition", change, OTHER_EDITOR)
    hidden = await world.refused(
        "ListDefinitionHistory",
        history_pb2.ListDefinitionHistoryRequest(definition_id=other.id),
        OTHER_EDITOR,
    )
    await world.version(made.id)

    entries = await history(world, made.id, 2)

    assert (denied.reason, hidden.reason) == ("NOT_GRANTED", "DEFINITION_NOT_FOUND")
    assert actions(entries) == ["MCP_VERSION_CREATED", "MCP_CREATED"]


async def test_without_audit_it_names_audit(world: World, start: Start) -> None:
    made = await world.definition()
    alone = await start(database_url=world.database_url)

    refused = await alone.refused(
        "ListDefinitionHistory", history_pb2.ListDefinitionHistoryRequest(definition_id=made.id)
    )

    assert (refused.reason, refused.metadata["dependency"]) == ("DEPENDENCY_UNAVAILABLE", "audit")
