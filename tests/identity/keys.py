"""Making, using and revoking API keys over the wire; any other credential is used the same way."""

import grpc

from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import Metadata, World, bearer


async def create(world: World, caller: Metadata, **request: object) -> pb.CreateApiKeyResponse:
    """A new key of the caller's, with its secret."""
    message = pb.CreateApiKeyRequest(**{"name": "ci", **request})  # type: ignore[arg-type]  # the fields of a request
    return await world.stub.CreateApiKey(message, metadata=caller)


async def revoke(world: World, caller: Metadata, key_id: str) -> pb.ApiKey:
    """The key, revoked."""
    answer = await world.stub.RevokeApiKey(pb.RevokeApiKeyRequest(api_key_id=key_id), metadata=caller)
    return answer.api_key


async def me(world: World, credential: str) -> pb.Principal:
    """For whom the credential acts."""
    return (await world.stub.GetMe(pb.GetMeRequest(), metadata=bearer(credential))).principal


async def locked_out(world: World, credential: str) -> None:
    """Asserts that identity does not take the credential."""
    code, error = await failure(me(world, credential))
    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_INVALID")


async def rotate(world: World, caller: Metadata, key_id: str, **request: object) -> pb.RotateApiKeyResponse:
    """The key's replacement, with its secret."""
    message = pb.RotateApiKeyRequest(**{"api_key_id": key_id, **request})  # type: ignore[arg-type]  # a request's fields
    return await world.stub.RotateApiKey(message, metadata=caller)
