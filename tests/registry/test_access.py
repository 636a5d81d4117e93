"""Who may do what to somebody else's definitions and workflows."""

from typing import Final

import pytest

from chassis.errors import ServiceError
from tests.registry.conftest import World
from tests.registry.owned import LEVELS, Owned, owned
from tests.support.callers import ADMIN, EDITOR, KEEPER, VIEWER

NOTHING: Final = Owned(*(f"0190a000-0000-7000-8000-00000000000{number}" for number in (1, 2, 3)))


def told(error: ServiceError, asked: Owned) -> tuple[str, str, str]:
    """An answer without the ids that were asked for."""
    text = error.message
    for id_ in (asked.definition, asked.version, asked.workflow):
        text = text.replace(id_, "?")
    return error.code, error.reason, text


@pytest.mark.parametrize("method", LEVELS)
async def test_what_is_private_does_not_exist_for_others_whatever_they_may_do(
    world: World, method: str
) -> None:
    made = await owned(world, "PRIVATE")

    refused = await world.refused(method, made.request(method), KEEPER)
    missing = await world.refused(method, NOTHING.request(method), KEEPER)

    assert refused.code == "NOT_FOUND"
    assert told(refused, made) == told(missing, NOTHING)


@pytest.mark.parametrize("method", LEVELS)
async def test_what_is_public_may_be_seen_by_others_and_not_changed(world: World, method: str) -> None:
    made = await owned(world, "PUBLIC")

    if LEVELS[method] == "VIEW":
        await world.call(method, made.request(method), VIEWER)
    else:
        refused = await world.refused(method, made.request(method), KEEPER)

        assert (refused.code, refused.reason) == ("PERMISSION_DENIED", "NOT_GRANTED")
        assert refused.metadata["level"] == LEVELS[method]
    shown = await world.call("GetDefinition", made.request("GetDefinition"))
    assert (shown.definition.description, shown.definition.latest_version) == ("", "1.0.0")


@pytest.mark.parametrize("method", LEVELS)
async def test_who_reaches_everything_may_do_all_of_it(world: World, method: str) -> None:
    made = await owned(world, "PRIVATE")

    await world.call(method, made.request(method), ADMIN)


async def test_the_owner_may_change_what_is_theirs(world: World) -> None:
    made = await owned(world, "PRIVATE")

    for method in ("UpdateDefinition", "CreateVersion", "DeprecateVersion", "UpdateWorkflow"):
        await world.call(method, made.request(method), EDITOR)
