"""Sharing definitions and workflows with others."""

from typing import Any, Final

import pytest

from chassis.context import Caller
from chassis.errors import ServiceError
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from registry.tables import grants
from tests.registry.conftest import World
from tests.registry.owned import LEVELS, Owned, owned, share
from tests.support.callers import ADMIN, EDITOR, KEEPER, OTHER_EDITOR, SERVICE, VIEWER

ORDER: Final = ("VIEW", "EDIT", "DELETE")


async def shares(world: World, template: str, **page: Any) -> pb.ListTemplateSharesResponse:
    """Whom it is shared with."""
    request = pb.ListTemplateSharesRequest(template_id=template, **page)
    answer: pb.ListTemplateSharesResponse = await world.call("ListTemplateShares", request)
    return answer


async def reached(world: World, made: Owned, caller: Caller) -> set[str]:
    """What the caller may do with what was made, deleting last; each refusal must be the right one."""
    found, refused = set(), set()
    for method, level in LEVELS.items():
        try:
            await world.call(method, made.request(method), caller)
        except ServiceError as error:
            refused.add(error.code)
        else:
            found.add(level)
    assert refused == ({"PERMISSION_DENIED"} if found else {"NOT_FOUND"}) or found == set(ORDER)
    return found


@pytest.mark.parametrize("permission", ORDER)
async def test_a_share_lets_somebody_do_what_it_says_and_no_more(world: World, permission: str) -> None:
    made = await owned(world, "PRIVATE")
    before = await reached(world, made, KEEPER)

    for template in (made.definition, made.workflow):
        await share(world, template, permission)

    assert before == set()
    for kind, key in (("Definitions", made.definition), ("Workflows", made.workflow)):
        listed = await world.call(f"List{kind}", getattr(pb, f"List{kind}Request")(page_size=1000), KEEPER)
        assert key in [one.id for one in getattr(listed, kind.lower())]
    assert await reached(world, made, KEEPER) == set(ORDER[: ORDER.index(permission) + 1])


@pytest.mark.parametrize(
    ("subject", "reaches"),
    [
        ({"user_id": KEEPER.name}, {KEEPER}),
        ({"role_name": "Viewer"}, {VIEWER}),
        ({"role_name": "Editor"}, {OTHER_EDITOR}),
        ({"service_account_id": SERVICE.id}, set()),
    ],
)
async def test_a_share_is_for_a_user_a_role_or_a_service_account(
    world: World, subject: dict[str, Any], reaches: set[Caller]
) -> None:
    made = await owned(world, "PRIVATE")
    request = pb.GetWorkflowRequest(workflow_id=made.workflow)

    given = await share(world, made.workflow, "VIEW", **subject)

    assert (given.template_id, given.created_by) == (made.workflow, EDITOR.id)
    assert given.user_id == (KEEPER.id if "user_id" in subject else "")
    for caller in (KEEPER, VIEWER, OTHER_EDITOR):
        if caller in reaches:
            await world.call("GetWorkflow", request, caller)
        else:
            assert (await world.refused("GetWorkflow", request, caller)).reason == "WORKFLOW_NOT_FOUND"


async def test_sharing_again_changes_what_was_shared(world: World) -> None:
    made = await owned(world, "PRIVATE")

    first = await share(world, made.definition, "DELETE")
    second = await share(world, made.definition, "VIEW")

    assert list((await shares(world, made.definition)).shares) == [second]
    assert (second.id, second.created_at) == (first.id, first.created_at)
    update = made.request("UpdateDefinition")
    assert (await world.refused("UpdateDefinition", update, KEEPER)).reason == "NOT_GRANTED"


async def test_a_share_that_is_taken_back_is_gone_at_once(world: World) -> None:
    made = await owned(world, "PRIVATE")
    given = await share(world, made.workflow, "EDIT")
    revoke = pb.RevokeTemplateShareRequest(template_id=made.workflow, share_id=given.id)

    await world.call("RevokeTemplateShare", revoke)

    assert await reached(world, made, KEEPER) == set()
    assert not (await shares(world, made.workflow)).shares
    assert (await world.refused("RevokeTemplateShare", revoke)).reason == "SHARE_NOT_FOUND"


async def test_a_share_of_something_else_cannot_be_taken_back_through_ones_own(world: World) -> None:
    theirs, mine = await owned(world, "PRIVATE"), await world.definition(KEEPER)
    given = await share(world, theirs.definition, "VIEW", user_id=VIEWER.id)
    revoke = pb.RevokeTemplateShareRequest(template_id=mine.id, share_id=given.id)

    refused = await world.refused("RevokeTemplateShare", revoke, KEEPER)

    assert refused.reason == "SHARE_NOT_FOUND"
    assert len((await shares(world, theirs.definition)).shares) == 1


@pytest.mark.parametrize(
    ("permission", "may"), [("", None), ("VIEW", False), ("EDIT", False), ("DELETE", True)]
)
async def test_sharing_takes_the_right_to_delete(world: World, permission: str, may: bool | None) -> None:
    made = await owned(world, "PRIVATE")
    if permission:
        await share(world, made.workflow, permission)
    sent = pb.TemplateShare(permission="VIEW", user_id=VIEWER.id)
    requests = {
        "ShareTemplate": pb.ShareTemplateRequest(template_id=made.workflow, share=sent),
        "ListTemplateShares": pb.ListTemplateSharesRequest(template_id=made.workflow),
        "RevokeTemplateShare": pb.RevokeTemplateShareRequest(
            template_id=made.workflow, share_id=made.workflow
        ),
    }

    for method, request in requests.items():
        if may and method != "RevokeTemplateShare":
            await world.call(method, request, KEEPER)
            continue
        refused = await world.refused(method, request, KEEPER)
        wanted = {None: "TEMPLATE_NOT_FOUND", False: "NOT_GRANTED", True: "SHARE_NOT_FOUND"}[may]
        assert refused.reason == wanted


async def test_whom_nobody_knows_nothing_is_shared_with(world: World) -> None:
    made = await owned(world, "PRIVATE")
    subjects: dict[str, Any] = {
        "user_id": ("nobody@example.com", SERVICE.id),
        "service_account_id": ("nobody", KEEPER.id),
        "role_name": ("Chief", "ada@example.com"),
    }

    found = set()
    for field, names in subjects.items():
        for name in names:
            to: Any = {field: name}
            sent = pb.TemplateShare(permission="VIEW", **to)
            request = pb.ShareTemplateRequest(template_id=made.workflow, share=sent)
            found.add((field, (await world.refused("ShareTemplate", request)).reason))

    assert found == {
        ("user_id", "PRINCIPAL_NOT_FOUND"),
        ("service_account_id", "PRINCIPAL_NOT_FOUND"),
        ("role_name", "ROLE_UNKNOWN"),
    }
    assert not (await shares(world, made.workflow)).shares


async def test_a_share_says_with_whom_and_for_what(world: World) -> None:
    made = await owned(world, "PRIVATE")
    wrong = [pb.TemplateShare(permission="VIEW"), pb.TemplateShare(user_id=KEEPER.id)]

    for sent in wrong:
        request = pb.ShareTemplateRequest(template_id=made.workflow, share=sent)
        assert (await world.refused("ShareTemplate", request)).reason == "INVALID_FIELD"


async def test_a_name_that_a_workflow_and_a_definition_have_is_told_apart_by_id(world: World) -> None:
    made = await world.definition()
    step = f"{{id: a, component: {await world.component()}, with: {{city: x}}}}"
    workflow = await world.workflow(f"name: {made.name}\nsteps: [{step}]\n")
    sent = pb.TemplateShare(permission="VIEW", user_id=KEEPER.id)

    refused = await world.refused("ShareTemplate", pb.ShareTemplateRequest(template_id=made.name, share=sent))
    await share(world, workflow.id, "VIEW")

    assert (refused.code, refused.fields[0].field) == ("INVALID_ARGUMENT", "template_id")
    by_name = pb.ListTemplateSharesRequest(template_id=made.name)
    assert (await world.refused("ListTemplateShares", by_name, KEEPER)).reason == "NOT_GRANTED"


async def test_shares_come_in_pages_and_go_with_what_was_shared(world: World) -> None:
    made = await world.definition(KEEPER)
    given = [
        await share(world, made.id, "VIEW", KEEPER, user_id=one.id) for one in (EDITOR, OTHER_EDITOR, VIEWER)
    ]

    request = pb.ListTemplateSharesRequest(template_id=made.id, page_size=2)
    first = await world.call("ListTemplateShares", request, KEEPER)
    request.page_token = first.next_page_token
    rest = await world.call("ListTemplateShares", request, KEEPER)
    await world.call("DeleteDefinition", pb.DeleteDefinitionRequest(definition_id=made.id), KEEPER)

    assert [*first.shares, *rest.shares] == given
    assert rest.next_page_token == ""
    assert world.server.db is not None
    async with world.server.db.read() as tx:
        assert (await tx.execute(grants.select().where(grants.c.resource_id == made.id))).all() == []


async def test_a_repeated_share_is_answered_as_before_and_a_trial_leaves_nothing(world: World) -> None:
    made = await owned(world, "PRIVATE")
    sent = pb.TemplateShare(permission="EDIT", user_id=KEEPER.name)
    request = pb.ShareTemplateRequest(template_id=made.workflow, share=sent, validate_only=True)

    await world.call("ShareTemplate", request)
    tried = await shares(world, made.workflow)
    request = pb.ShareTemplateRequest(template_id=made.workflow, share=sent, request_id=world.name("request"))
    first = await world.call("ShareTemplate", request)
    await world.call("DeleteWorkflow", pb.DeleteWorkflowRequest(workflow_id=made.workflow), ADMIN)
    again = await world.call("ShareTemplate", request)

    assert not tried.shares
    assert again == first


async def test_who_may_change_something_does_not_thereby_decide_who_sees_it(world: World) -> None:
    made = await owned(world, "PRIVATE")
    for template in (made.definition, made.workflow):
        await share(world, template, "EDIT")
    opened = {
        "UpdateDefinition": pb.UpdateDefinitionRequest(
            definition_id=made.definition, definition=component_pb2.Definition(visibility="PUBLIC")
        ),
        "UpdateWorkflow": pb.UpdateWorkflowRequest(
            workflow_id=made.workflow, workflow=workflow_pb2.Workflow(visibility="PUBLIC")
        ),
    }

    for method, request in opened.items():
        refused = await world.refused(method, request, KEEPER)
        await world.call(method, request)

        assert (refused.reason, refused.metadata["level"]) == ("NOT_GRANTED", "DELETE")
