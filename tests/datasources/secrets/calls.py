"""What tests ask about secrets, as who usually does; refusals are the chassis's errors."""

from typing import Any

from google.protobuf import field_mask_pb2

from mcpanel.datasources.v1 import secrets_pb2 as pb
from tests.datasources.calls import answer
from tests.datasources.conftest import World
from tests.support.callers import EDITOR, as_caller

VALUE = "canary-5f0e7a1c9b"


async def call(world: World, method: str, caller: Any = EDITOR, **fields: Any) -> Any:
    """The answer of any method."""
    request = getattr(pb, f"{method}Request")(**fields)
    return await answer(getattr(world.secrets, method)(request, metadata=as_caller(caller)))


async def create(
    world: World, name: str = "signing", caller: Any = EDITOR, *, request_id: str = "", **fields: Any
) -> pb.Secret:
    """Makes a secret, with a value unless told otherwise."""
    if "secret_ref" not in fields:
        fields.setdefault("secret_value", VALUE)
    secret = pb.Secret(name=name, **fields)
    made = (await call(world, "CreateSecret", caller, secret=secret, request_id=request_id)).secret
    assert isinstance(made, pb.Secret)
    return made


async def update(
    world: World, secret: pb.Secret, *paths: str, key: str = "signing", caller: Any = EDITOR
) -> pb.Secret:
    """Changes a secret: what `paths` name, or all that is set."""
    mask = field_mask_pb2.FieldMask(paths=paths) if paths else None
    answered = await call(world, "UpdateSecret", caller, secret_id=key, secret=secret, update_mask=mask)
    assert isinstance(answered.secret, pb.Secret)
    return answered.secret


async def reveal(world: World, secret_id: str, *reached: str) -> str:
    """The value that a run is told whose token names the secrets `reached`."""
    caller = world.callers.with_run_token(secret_ids=reached)
    return str((await call(world, "RevealSecret", caller, secret_id=secret_id)).secret_value)
