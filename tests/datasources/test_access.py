"""Who may do what with somebody else's data sources."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import grpc.aio
import pytest

from chassis.context import Caller
from chassis.errors import ServiceError
from chassis.statuses import from_rpc_error
from datasources.tables import grants
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.conftest import Target, World, new_target, run
from tests.support.callers import ADMIN, EDITOR, KEEPER, OTHER_EDITOR, REGISTRY, VIEWER, as_caller
from tests.support.servers import TestPostgres

LEVELS: Final = {
    "GetDataSource": "VIEW",
    "TestConnection": "VIEW",
    "ExecuteQuery": "VIEW",
    "UpdateDataSource": "EDIT",
    "ScanSchema": "EDIT",
    "GetSchema": "VIEW",
    "ListDataSourceShares": "DELETE",
    "ShareDataSource": "DELETE",
    "RevokeDataSourceShare": "DELETE",
    "DeleteDataSource": "DELETE",
}
"""What each method that names a data source takes, those that change it last."""
ORDER: Final = ("VIEW", "EDIT", "DELETE")
NOWHERE: Final = "0190a000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def shared_target(postgres: TestPostgres) -> Target:
    """A database that all of these tests' data sources are for."""
    return new_target(postgres)


@pytest.fixture(scope="module")
async def world(postgres: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The service, which these tests share; they use names of their own."""
    folder: Path = tmp_path_factory.mktemp("datasources")
    async for found in run(postgres, folder, {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.0/8, ::1/128"}):
        yield found


def request(method: str, key: str) -> Any:
    """A request that asks for the data source, or changes it."""
    fields: dict[str, Any] = {"data_source_id": key}
    match method:
        case "UpdateDataSource":
            fields["data_source"] = pb.DataSource(description="taken over")
        case "ExecuteQuery":
            fields["sql"] = "SELECT 1"
        case "ShareDataSource":
            fields["share"] = pb.DataSourceShare(user_id=VIEWER.id, permission="VIEW")
        case "RevokeDataSourceShare":
            fields["share_id"] = NOWHERE
    return getattr(pb, f"{method}Request")(**fields)


async def ask(world: World, method: str, key: str, caller: Caller) -> ServiceError | None:
    """Calls; returns what it was refused with, if it was."""
    try:
        answer = getattr(world.stub, method)(request(method, key), metadata=as_caller(caller))
        if method == "ExecuteQuery":
            async for _ in answer:
                pass
        else:
            await answer
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error, "datasources")
    return None


async def share(world: World, key: str, permission: str, caller: Caller = EDITOR, **subject: Any) -> Any:
    """Shares a data source; with the keeper, unless told otherwise."""
    to: Any = subject or {"user_id": KEEPER.name}
    sent = pb.DataSourceShare(permission=permission, **to)
    asked = pb.ShareDataSourceRequest(data_source_id=key, share=sent)
    return (await world.stub.ShareDataSource(asked, metadata=as_caller(caller))).share


async def make(world: World, target: Target, name: str, visibility: Any = "PRIVATE") -> pb.DataSource:
    """An editor's data source, whose schema was scanned."""
    made = await world.create(target.data_source(name, visibility=visibility), EDITOR)
    assert await ask(world, "ScanSchema", made.id, EDITOR) is None
    return made


async def seen(world: World, caller: Caller) -> set[str]:
    """The ids in the caller's list."""
    answer = await world.stub.ListDataSources(
        pb.ListDataSourcesRequest(page_size=1000), metadata=as_caller(caller)
    )
    return {one.id for one in answer.data_sources}


async def test_a_data_source_is_its_owners_unless_told_otherwise(world: World, shared_target: Target) -> None:
    made = await make(world, shared_target, "mine", visibility=None)

    assert made.visibility == pb.DataSource.PRIVATE
    assert [made.id in await seen(world, one) for one in (EDITOR, ADMIN, KEEPER, OTHER_EDITOR, VIEWER)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    for method in LEVELS:
        refused, missing = (
            await ask(world, method, made.id, KEEPER),
            await ask(world, method, NOWHERE, KEEPER),
        )
        assert refused is not None
        assert missing is not None
        assert refused.code == "NOT_FOUND"
        assert (refused.reason, refused.message.replace(made.id, NOWHERE)) == (
            missing.reason,
            missing.message,
        )


async def test_a_public_data_source_may_be_used_by_others_and_not_changed(
    world: World, shared_target: Target
) -> None:
    made = await make(world, shared_target, "open", "PUBLIC")

    for method, level in LEVELS.items():
        refused = await ask(world, method, made.id, KEEPER)
        if level == "VIEW":
            assert refused is None
        else:
            assert refused is not None
            assert (refused.reason, refused.metadata["level"]) == ("NOT_GRANTED", level)
    assert made.id in await seen(world, KEEPER)


@pytest.mark.parametrize("permission", ORDER)
async def test_a_share_lets_somebody_do_what_it_says_and_no_more(
    world: World, shared_target: Target, permission: str
) -> None:
    made = await make(world, shared_target, f"shared-{permission.lower()}")

    given = await share(world, made.id, permission)
    listed = made.id in await seen(world, KEEPER)
    reasons = {}
    for method in LEVELS:
        refused = await ask(world, method, made.id, KEEPER)
        reasons[method] = "" if refused is None else refused.reason

    assert (given.user_id, given.data_source_id, listed) == (KEEPER.id, made.id, True)
    reach = ORDER.index(permission)
    expected = {name: "" if ORDER.index(level) <= reach else "NOT_GRANTED" for name, level in LEVELS.items()}
    if permission == "DELETE":
        expected["RevokeDataSourceShare"] = "SHARE_NOT_FOUND"
    assert reasons == expected


async def test_a_role_may_be_given_a_data_source_until_it_is_taken_back(
    world: World, shared_target: Target
) -> None:
    made = await make(world, shared_target, "for-editors")
    given = await share(world, made.id, "VIEW", role_name="Editor")

    during = await ask(world, "ExecuteQuery", made.id, OTHER_EDITOR)
    revoke = pb.RevokeDataSourceShareRequest(data_source_id=made.id, share_id=given.id)
    await world.stub.RevokeDataSourceShare(revoke, metadata=as_caller(EDITOR))
    after = await ask(world, "ExecuteQuery", made.id, OTHER_EDITOR)
    listing = pb.ListDataSourceSharesRequest(data_source_id=made.id)
    left = await world.stub.ListDataSourceShares(listing, metadata=as_caller(EDITOR))

    assert (during, list(left.shares)) == (None, [])
    assert after is not None
    assert after.reason == "DATA_SOURCE_NOT_FOUND"


async def test_the_registry_is_told_what_somebody_may_not_use(world: World, shared_target: Target) -> None:
    names = ("asked-own", "asked-for-keeper", "asked-for-editors", "asked-open")
    own, named, by_role, public = [
        await world.create(
            shared_target.data_source(one, visibility="PUBLIC" if one == "asked-open" else "PRIVATE"), EDITOR
        )
        for one in names
    ]
    await share(world, named.id, "VIEW")
    await share(world, by_role.id, "VIEW", role_name="Editor")

    async def refused(subject: Caller, **fields: Any) -> set[str]:
        ids = [own.id, named.id, by_role.id, public.id, NOWHERE]
        request = pb.FindUnreachableRequest(subject_id=subject.id, data_source_ids=ids, **fields)
        answer = await world.stub.FindUnreachable(request, metadata=as_caller(REGISTRY))
        return {one.name for one in (own, named, by_role, public) if one.id in answer.data_source_ids}

    assert await refused(EDITOR, inactive=True) == set()
    assert await refused(KEEPER) == {own.name, by_role.name}
    assert await refused(KEEPER, inactive=True) == {own.name, named.name, by_role.name}
    assert await refused(OTHER_EDITOR, role_names=["Editor"]) == {own.name, named.name}


async def test_a_run_may_query_what_it_links_and_nothing_else_of_others(
    world: World, shared_target: Target
) -> None:
    linked = await make(world, shared_target, "linked")
    other = await make(world, shared_target, "other")
    run_ = world.callers.with_run_token(linked.id)

    refused = [await ask(world, "ExecuteQuery", one.id, run_) for one in (linked, other)]
    scan = await ask(world, "ScanSchema", linked.id, run_)

    assert [one and one.reason for one in refused] == [None, "PERMISSION_MISSING"]
    assert scan is not None
    assert scan.code == "PERMISSION_DENIED"


async def test_who_may_change_a_data_source_does_not_thereby_decide_who_sees_it(
    world: World, shared_target: Target
) -> None:
    made = await make(world, shared_target, "edited")
    await share(world, made.id, "EDIT")
    opened = pb.UpdateDataSourceRequest(
        data_source_id=made.id, data_source=pb.DataSource(visibility="PUBLIC")
    )

    with pytest.raises(Exception, match="not delete it or share it"):
        await world.stub.UpdateDataSource(opened, metadata=as_caller(KEEPER))
    answer = await world.stub.UpdateDataSource(opened, metadata=as_caller(EDITOR))

    assert answer.data_source.visibility == pb.DataSource.PUBLIC


async def test_shares_go_with_the_data_source_and_are_in_the_action_log(
    world: World, shared_target: Target
) -> None:
    made = await make(world, shared_target, "gone")
    given = await share(world, made.id, "VIEW")

    assert await ask(world, "DeleteDataSource", made.id, ADMIN) is None

    async with world.service.db.read() as tx:
        assert (await tx.execute(grants.select().where(grants.c.resource_id == made.id))).all() == []
    (record,) = [
        one
        for one in await world.records()
        if one["action"] == "DATA_SOURCE_SHARED" and one["entity_id"] == made.id
    ]
    assert record["details"]["new"] == {"share_id": given.id, "user": KEEPER.id, "permission": "VIEW"}
