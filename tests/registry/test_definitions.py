"""Definitions over the wire."""

from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import World
from tests.support.callers import EDITOR, VIEWER


async def test_a_created_definition_can_be_read_by_id_and_by_name(world: World) -> None:
    created = await world.definition(
        display_name="Weather", tags=["noaa", "noaa", "daily"], visibility="PUBLIC"
    )

    by_id = await world.call("GetDefinition", pb.GetDefinitionRequest(definition_id=created.id))
    by_name = await world.call("GetDefinition", pb.GetDefinitionRequest(definition_id=created.name), VIEWER)

    assert by_id.definition == created == by_name.definition
    assert list(created.tags) == ["noaa", "daily"]
    assert created.owner_id == EDITOR.id
    assert created.cost_tier == component_pb2.Definition.FREE
    assert created.etag
    assert created.created_at == created.updated_at
