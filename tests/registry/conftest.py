"""The registry as it really runs, on a socket of its own, with callers known by their tokens."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from chassis.config import load
from chassis.context import Caller, current
from chassis.errors import NotFound, ServiceError
from chassis.server import Server
from chassis.statuses import from_rpc_error
from mcpanel.datasources.v1 import datasources_pb2, datasources_pb2_grpc, secrets_pb2, secrets_pb2_grpc
from mcpanel.registry.v1 import component_pb2, workflow_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from mcpanel.registry.v1.registry_pb2_grpc import RegistryServiceStub
from registry.config import RegistryConfig
from registry.service import build
from tests.support.callers import EDITOR, TestAuthenticator, as_caller
from tests.support.identity import Identity
from tests.support.servers import TestPostgres

CONFIGS = {field.name for field in component_pb2.Version.DESCRIPTOR.oneofs_by_name["config"].fields}
PYTHON = "def main(city: str, days: int = 1) -> dict[str, list[float]]:\n    return {}\n"


@dataclass
class Sources(datasources_pb2_grpc.DataSourceServiceServicer, secrets_pb2_grpc.SecretServiceServicer):
    """A datasources service that knows these names; every call's metadata is kept."""

    ids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """The ids of secrets by their names."""
    calls: list[dict[str, str]] = field(default_factory=list)
    users: dict[str, set[str]] = field(default_factory=dict)
    """Who may use a data source or a secret, by its id: the ids of those who are active, and roles."""
    asked: list[Any] = field(default_factory=list)

    @property
    def services(self) -> list[tuple[Callable[..., None], "Sources"]]:
        """Both services, as a server takes them."""
        return [
            (datasources_pb2_grpc.add_DataSourceServiceServicer_to_server, self),
            (secrets_pb2_grpc.add_SecretServiceServicer_to_server, self),
        ]

    def _refused(self, request: Any, ids: Iterable[str]) -> list[str]:
        self.asked.append(request)
        names = set() if request.inactive else {request.subject_id, *request.role_names}
        return [one for one in ids if not names & self.users.get(one, set())]

    async def FindUnreachableSecrets(  # the contract's name
        self, request: secrets_pb2.FindUnreachableSecretsRequest, _: Any
    ) -> secrets_pb2.FindUnreachableSecretsResponse:
        return secrets_pb2.FindUnreachableSecretsResponse(
            secret_ids=self._refused(request, request.secret_ids)
        )

    async def GetSecret(  # the contract's name
        self, request: secrets_pb2.GetSecretRequest, _: Any
    ) -> secrets_pb2.GetSecretResponse:
        self.calls.append(dict(current().metadata))
        for name, id_ in self.secrets.items():
            if request.secret_id in (name, id_):
                return secrets_pb2.GetSecretResponse(secret=secrets_pb2.Secret(id=id_, name=name))
        raise NotFound("SECRET_NOT_FOUND", f"secret {request.secret_id!r} does not exist")

    async def FindUnreachable(  # the contract's name
        self, request: datasources_pb2.FindUnreachableRequest, _: Any
    ) -> datasources_pb2.FindUnreachableResponse:
        refused = self._refused(request, request.data_source_ids)
        return datasources_pb2.FindUnreachableResponse(data_source_ids=refused)

    async def GetDataSource(  # the contract's name
        self, request: datasources_pb2.GetDataSourceRequest, _: Any
    ) -> datasources_pb2.GetDataSourceResponse:
        self.calls.append(dict(current().metadata))
        for name, id_ in self.ids.items():
            if request.data_source_id in (name, id_):
                found = datasources_pb2.DataSource(id=id_, name=name)
                return datasources_pb2.GetDataSourceResponse(data_source=found)
        raise NotFound("DATA_SOURCE_NOT_FOUND", f"data source {request.data_source_id!r} does not exist")


@dataclass
class World:
    """A running registry and shorthands for calling it."""

    server: Server
    stub: Any
    people: Identity
    database_url: str = ""
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def name(self, stem: str = "thing") -> str:
        """A name that no other test has."""
        return f"{stem}-{next(self.numbers)}"

    async def call(self, method: str, request: Any, caller: Caller = EDITOR) -> Any:
        """The answer to a call; raises the chassis's error for a refusal."""
        try:
            return await getattr(self.stub, method)(request, metadata=as_caller(caller))
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error, "registry") from None

    async def refused(self, method: str, request: Any, caller: Caller = EDITOR) -> ServiceError:
        """The error that a call is refused with."""
        with pytest.raises(ServiceError) as caught:
            await self.call(method, request, caller)
        return caught.value

    async def definition(self, caller: Caller = EDITOR, **fields: Any) -> component_pb2.Definition:
        """A new definition, a Python script unless told otherwise."""
        one = component_pb2.Definition(**{"name": self.name(), "type": "PYTHON_SCRIPT", **fields})
        request = pb.CreateDefinitionRequest(definition=one)
        answer: pb.CreateDefinitionResponse = await self.call("CreateDefinition", request, caller)
        return answer.definition

    async def version(
        self, definition: str, version: str = "1.0.0", caller: Caller = EDITOR, **fields: Any
    ) -> component_pb2.Version:
        """A new version of a definition, a Python script's unless told otherwise."""
        if not CONFIGS & fields.keys():
            fields["python_script"] = component_pb2.PythonScriptConfig(code_content=PYTHON)
        one = component_pb2.Version(version=version, **fields)
        request = pb.CreateVersionRequest(definition_id=definition, version=one)
        answer: pb.CreateVersionResponse = await self.call("CreateVersion", request, caller)
        return answer.version

    async def component(self, stem: str = "script", caller: Caller = EDITOR, **fields: Any) -> str:
        """The name of a new public component with version 1.0.0."""
        made = await self.definition(caller, name=self.name(stem), visibility="PUBLIC")
        await self.version(made.name, caller=caller, **fields)
        return made.name

    async def workflow(self, source: str, caller: Caller = EDITOR) -> workflow_pb2.Workflow:
        """A new workflow from its document."""
        answer: pb.CreateWorkflowResponse = await self.call(
            "CreateWorkflow", pb.CreateWorkflowRequest(source=source), caller
        )
        return answer.workflow


Start = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session")
async def start(postgres: TestPostgres) -> AsyncIterator[Start]:
    """`await start(...)` starts a registry on a database of its own."""
    started: list[tuple[Server, grpc.aio.Channel]] = []
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as folder:
        sockets = itertools.count(1)
        identity, people = grpc.aio.server(), Identity()
        await people.serve(identity, f"unix:{folder}/identity")

        async def begin(**settings: str) -> World:
            url = settings.pop("database_url", "") or postgres.create_database("registry", migrate="registry")
            environ = {
                "MCPANEL_DATABASE_URL": url,
                "MCPANEL_LISTEN": f"unix:{Path(folder) / str(next(sockets))}",
                "MCPANEL_METRICS_LISTEN": "",
                "MCPANEL_AUDIT_ADDRESS": f"unix:{folder}/nobody",
                "MCPANEL_DATASOURCES_ADDRESS": f"unix:{folder}/nobody",
                "MCPANEL_ENGINE_ADDRESS": f"unix:{folder}/nobody",
                "MCPANEL_IDENTITY_ADDRESS": f"unix:{folder}/identity",
                **settings,
            }
            server = build(load(RegistryConfig, environ), TestAuthenticator())
            await server.start()
            channel = grpc.aio.insecure_channel(environ["MCPANEL_LISTEN"])
            started.append((server, channel))
            return World(server, RegistryServiceStub(channel), people, url)

        yield begin
        for server, channel in started:
            await channel.close(None)
            await server.stop(grace=0)
        await identity.stop(grace=0)


@pytest.fixture(scope="session")
async def world(start: Start) -> World:
    """The registry that tests share; they use names of their own."""
    return await start()
