"""What a workflow is made of, and whether those with whose rights it runs may still use that."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from chassis.config import Address, ServiceConfig
from chassis.context import Caller
from chassis.ids import uuid7
from chassis.server import Server
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import Sources, Start, World
from tests.registry.owned import share
from tests.support.callers import (
    ADMIN,
    ALL,
    EDITOR,
    KEEPER,
    OTHER_EDITOR,
    REGISTRY,
    SERVICE,
    TestAuthenticator,
)

Missing = pb.CheckPartsResponse.Missing
Update = pb.UpdateWorkflowRequest


@pytest.fixture(scope="module")
def sources() -> Sources:
    """What the data sources' service knows."""
    return Sources()


@pytest.fixture(scope="module")
async def world(
    start: Start, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A registry that asks these sources; the tests share it and use names of their own."""
    folder: Path = tmp_path_factory.mktemp("parts")
    address, key = f"unix:{folder}/ds", folder / "key"
    peer = Server(
        ServiceConfig(listen=Address(address)),
        sources.services,
        authenticator=TestAuthenticator([*ALL, REGISTRY]),
    )
    await peer.start()
    key.write_text(REGISTRY.credential)
    yield await start(MCPANEL_DATASOURCES_ADDRESS=address, MCPANEL_KEY_FILE=str(key))
    await peer.stop(grace=0)


async def missing(world: World, workflow: workflow_pb2.Workflow, version: int = 0) -> list[Missing]:
    """What the workflow is made of and may not be used."""
    wanted = {"workflow_id": workflow.id, "version": version or workflow.version}
    answer = await world.call("CheckParts", pb.CheckPartsRequest(workflow=wanted), SERVICE)
    return list(answer.missing)


async def script(world: World, **fields: Any) -> component_pb2.Definition:
    """A private component of an editor's, with a version."""
    made = await world.definition()
    await world.version(made.name, **fields)
    return made


async def flow(
    world: World, *uses: str, caller: Caller = OTHER_EDITOR, **fields: Any
) -> workflow_pb2.Workflow:
    """A public workflow that uses these."""
    request = pb.CreateWorkflowRequest(source=document(world.name("flow"), *uses, **fields))
    answer: pb.CreateWorkflowResponse = await world.call("CreateWorkflow", request, caller)
    return answer.workflow


def document(name: str, *uses: str, visibility: str = "PUBLIC", timeout: str = "1h") -> str:
    """A workflow that uses these: components, or workflows as `flow:<name>`."""
    steps = []
    for number, one in enumerate(uses):
        workflow = one.removeprefix("flow:")
        what = f"component: {one}, with: {{city: x}}" if workflow == one else f"workflow: {workflow}"
        steps.append(f"  - {{id: s{number}, {what}}}\n")
    return f"name: {name}\nvisibility: {visibility}\ntimeout: {timeout}\nsteps:\n" + "".join(steps)


async def saved(
    world: World, old: workflow_pb2.Workflow, source: str, caller: Caller
) -> workflow_pb2.Workflow:
    """The workflow after somebody changed it."""
    answer: pb.UpdateWorkflowResponse = await world.call(
        "UpdateWorkflow", Update(workflow_id=old.id, source=source), caller
    )
    return answer.workflow


async def revoke(world: World, given: pb.TemplateShare) -> None:
    request = pb.RevokeTemplateShareRequest(template_id=given.template_id, share_id=given.id)
    await world.call("RevokeTemplateShare", request)


@pytest.mark.parametrize("subject", [{"user_id": OTHER_EDITOR.id}, {"role_name": "Editor"}])
async def test_what_was_lent_is_missing_once_it_is_taken_back_until_it_is_lent_again(
    world: World, subject: dict[str, Any]
) -> None:
    component = await script(world)
    inner = await flow(world, await world.component(), caller=EDITOR, visibility="PRIVATE")
    lent = [await share(world, one.id, "VIEW", **subject) for one in (component, inner)]
    made = await flow(world, component.name, f"flow:{inner.name}", component.name)

    before = await missing(world, made)
    for given in lent:
        await revoke(world, given)
    after = await missing(world, made)
    for one in (component, inner):
        await share(world, one.id, "VIEW", **subject)

    assert before == []
    fields: dict[str, Any] = {"used_by": f"workflow '{made.name}'", "lender_ids": [OTHER_EDITOR.id]}
    assert after == [
        Missing(kind="DEFINITION", id=component.id, name=component.name, **fields),
        Missing(kind="WORKFLOW", id=inner.id, name=inner.name, **fields),
    ]
    assert await missing(world, made) == []


async def test_what_is_inside_is_looked_at_with_the_rights_of_whoever_made_that(world: World) -> None:
    component = await script(world)
    given = await share(world, component.id, "VIEW", user_id=OTHER_EDITOR.id)
    inner = await flow(world, component.name)
    outer = await flow(world, f"flow:{inner.name}", caller=KEEPER)
    around = await flow(world, f"flow:{outer.name}", caller=EDITOR)

    before = await missing(world, around)
    await revoke(world, given)

    assert before == []
    assert [(one.id, one.used_by, list(one.lender_ids)) for one in await missing(world, around)] == [
        (component.id, f"workflow '{inner.name}'", [OTHER_EDITOR.id])
    ]


async def test_the_rights_of_a_versions_author_are_as_good_as_the_owners(world: World) -> None:
    component, other = await script(world), await world.component()
    made = await flow(world, other)
    await share(world, made.id, "EDIT", caller=OTHER_EDITOR, user_id=EDITOR.id)

    theirs = await saved(world, made, document(made.name, component.name), EDITOR)

    assert await missing(world, theirs) == []


async def test_who_may_change_a_workflow_keeps_what_its_owner_put_in_and_adds_only_what_they_see(
    world: World,
) -> None:
    component, other = await script(world), await script(world)
    inner = await flow(world, await world.component(), caller=EDITOR, visibility="PRIVATE")
    uses = (component.name, f"flow:{inner.name}")
    made = await flow(world, *uses, caller=EDITOR)
    await share(world, made.id, "EDIT", user_id=OTHER_EDITOR.id)

    changed = await saved(world, made, document(made.name, *uses, timeout="2h"), OTHER_EDITOR)
    more = Update(workflow_id=made.id, source=document(made.name, *uses, other.name))
    refused = await world.refused("UpdateWorkflow", more, OTHER_EDITOR)

    assert (changed.version, changed.steps[0].component) == (2, component.name)
    assert await missing(world, changed) == []
    assert len(refused.fields) == 1
    assert f"there is no component {other.name!r}" in refused.message


async def test_an_owner_keeps_nothing_in_a_workflow_that_is_not_lent_to_them(world: World) -> None:
    component = await script(world)
    made = await flow(world, await world.component())
    await share(world, made.id, "EDIT", caller=OTHER_EDITOR, user_id=EDITOR.id)
    await saved(world, made, document(made.name, component.name), EDITOR)

    again = Update(workflow_id=made.id, source=document(made.name, component.name, timeout="2h"))

    assert "there is no component" in (await world.refused("UpdateWorkflow", again, OTHER_EDITOR)).message


async def test_who_is_inactive_lends_only_what_is_public_or_their_own(world: World) -> None:
    lent, public = await script(world), await world.component()
    own = await world.definition(OTHER_EDITOR)
    await world.version(own.name, caller=OTHER_EDITOR)
    await share(world, lent.id, "VIEW", user_id=OTHER_EDITOR.id)
    made = await flow(world, lent.name, public, own.name)

    before = await missing(world, made)
    world.people.inactive.add(OTHER_EDITOR.id)
    try:
        after = await missing(world, made)
    finally:
        world.people.inactive.clear()

    assert before == []
    assert [one.id for one in after] == [lent.id]


async def test_administrators_lend_everything(world: World) -> None:
    component = await script(world)
    made = await flow(world, component.name, caller=ADMIN)

    assert await missing(world, made) == []
    world.people.inactive.add(ADMIN.id)
    try:
        assert [one.id for one in await missing(world, made)] == [component.id]
    finally:
        world.people.inactive.clear()


async def test_what_was_deleted_is_missing_in_the_versions_that_used_it(world: World) -> None:
    component, other = await script(world), await world.component()
    await share(world, component.id, "VIEW", user_id=OTHER_EDITOR.id)
    made = await flow(world, component.name)
    newer = await saved(world, made, document(made.name, other), OTHER_EDITOR)

    await world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=component.id), ADMIN)

    assert await missing(world, newer) == []
    assert [(one.id, one.name, one.deleted) for one in await missing(world, made, 1)] == [
        (component.id, component.name, True)
    ]


async def test_a_data_source_is_used_with_the_rights_of_the_components_owner_or_author(
    world: World, sources: Sources
) -> None:
    id_ = uuid7()
    sources.ids["ledger"], sources.users[id_] = id_, {EDITOR.id}
    made = await world.definition(visibility="PUBLIC")
    version = await world.version(made.name, data_source_ids=["ledger"])
    workflow = await flow(world, made.name)

    async def of_version() -> list[Missing]:
        request = pb.CheckPartsRequest(version_id=version.id)
        return list((await world.call("CheckParts", request, SERVICE)).missing)

    before = await missing(world, workflow) + await of_version()
    sources.users[id_] = {"Editor"}
    by_role = await missing(world, workflow) + await of_version()
    sources.users[id_] = {OTHER_EDITOR.id}
    after = await missing(world, workflow)

    assert before == by_role == []
    assert (
        after
        == await of_version()
        == [
            Missing(
                kind="DATA_SOURCE",
                id=id_,
                name="ledger",
                used_by=f"component '{made.name}@1.0.0'",
                lender_ids=[EDITOR.id],
            )
        ]
    )


async def test_a_secret_is_used_with_the_same_rights_as_a_data_source(world: World, sources: Sources) -> None:
    id_ = uuid7()
    sources.secrets["signing"], sources.users[id_] = id_, {EDITOR.id}
    made = await world.definition(visibility="PUBLIC")
    version = await world.version(made.name, secret_ids=["signing"])
    workflow = await flow(world, made.name)

    async def of_version() -> list[Missing]:
        request = pb.CheckPartsRequest(version_id=version.id)
        return list((await world.call("CheckParts", request, SERVICE)).missing)

    before = await missing(world, workflow) + await of_version()
    sources.users[id_] = {OTHER_EDITOR.id}
    after = await missing(world, workflow)

    assert before == []
    assert (
        after
        == await of_version()
        == [
            Missing(
                kind="SECRET",
                id=id_,
                name="signing",
                used_by=f"component '{made.name}@1.0.0'",
                lender_ids=[EDITOR.id],
            )
        ]
    )


async def test_nobody_is_asked_about_what_is_public_or_ones_own(world: World, sources: Sources) -> None:
    own = await world.definition(OTHER_EDITOR)
    await world.version(own.name, caller=OTHER_EDITOR)
    made = await flow(world, own.name, await world.component())
    sources.asked.clear()
    world.people.asked.clear()

    assert await missing(world, made) == []
    assert (world.people.asked, sources.asked) == ([], [])


async def test_only_the_engine_asks(world: World) -> None:
    request = pb.CheckPartsRequest(version_id=uuid7())

    assert (await world.refused("CheckParts", request, ADMIN)).reason == "INTERNAL_ONLY"
    assert list((await world.call("CheckParts", request, SERVICE)).missing) == []
