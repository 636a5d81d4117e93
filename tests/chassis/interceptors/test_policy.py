"""Who may call a method, as its rule says."""

import grpc.aio
import pytest

from chassis.context import Caller
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from mcpanel.registry.v1 import registry_pb2, registry_pb2_grpc
from tests.chassis.conftest import Serve
from tests.chassis.interceptors.servicers import GET, IDENTITY, Registry, registry
from tests.chassis.probes import failure
from tests.support.callers import ADMIN, EDITOR, GATEWAY, GUEST, SERVICE, VIEWER, WORKER, as_caller


async def test_a_caller_with_the_permission_is_answered(serve: Serve) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    answer = await stub.GetDefinition(GET, metadata=as_caller(VIEWER))

    assert answer.definition.name == VIEWER.name


async def test_a_caller_without_the_permission_is_denied_naming_it(serve: Serve) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    request = registry_pb2.CreateDefinitionRequest()

    code, error = await failure(stub.CreateDefinition(request, metadata=as_caller(VIEWER)))

    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert (error.reason, error.metadata["permission"]) == ("PERMISSION_MISSING", "definitions.create")
    assert servicer.calls == []


async def test_a_stranger_learns_nothing_from_how_its_request_is_judged(serve: Serve) -> None:
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(Registry())))

    code, error = await failure(stub.GetDefinition(registry_pb2.GetDefinitionRequest()))

    assert (code, error.reason) == (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")


async def test_an_internal_method_is_for_services_and_not_even_for_administrators(serve: Serve) -> None:
    stub = identity_pb2_grpc.IdentityServiceStub(await serve(IDENTITY))
    request = identity_pb2.AuthenticateRequest(credential="x")

    await stub.Authenticate(request, metadata=as_caller(SERVICE))
    for caller in (ADMIN, WORKER, GATEWAY):
        code, error = await failure(stub.Authenticate(request, metadata=as_caller(caller)))
        assert (code, error.reason) == (grpc.StatusCode.PERMISSION_DENIED, "INTERNAL_ONLY")


async def test_a_service_calls_as_itself_what_names_it_and_nothing_else(serve: Serve) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    version = registry_pb2.GetVersionRequest(version_id="x")

    await stub.GetVersion(version, metadata=as_caller(SERVICE))
    refused = [
        await failure(stub.GetVersion(version, metadata=as_caller(GATEWAY))),
        await failure(stub.GetDefinition(GET, metadata=as_caller(SERVICE))),
        await failure(stub.GetVersion(version, metadata=as_caller(SERVICE, on_behalf_of=GUEST))),
    ]

    assert {(code, error.reason) for code, error in refused} == {
        (grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_MISSING")
    }
    assert len(servicer.calls) == 1


@pytest.mark.parametrize(
    ("caller", "on_behalf_of", "reaches"),
    [
        (ADMIN, None, True),
        (EDITOR, None, False),
        (SERVICE, None, True),
        (SERVICE, EDITOR, False),
        (SERVICE, ADMIN, True),
    ],
)
async def test_the_rule_says_who_reaches_what_is_somebody_elses(
    serve: Serve, caller: Caller, on_behalf_of: Caller | None, reaches: bool
) -> None:
    servicer = Registry()
    stub = registry_pb2_grpc.RegistryServiceStub(await serve(registry(servicer)))
    version = registry_pb2.GetVersionRequest(version_id="x")

    await stub.GetVersion(version, metadata=as_caller(caller, on_behalf_of=on_behalf_of))

    assert servicer.calls[0].may_others() is reaches
