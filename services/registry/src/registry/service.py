"""The registry, put together."""

from typing import Final

from chassis import contracts
from chassis.authentication import Authenticator, RemoteAuthenticator
from chassis.client import channel
from chassis.database import Database
from chassis.server import Server
from chassis.shares import Sharing
from mcpanel.audit.v1.audit_pb2_grpc import AuditServiceStub
from mcpanel.datasources.v1.datasources_pb2_grpc import DataSourceServiceStub
from mcpanel.datasources.v1.secrets_pb2_grpc import SecretServiceStub
from mcpanel.engine.v1.engine_pb2_grpc import EngineServiceStub
from mcpanel.identity.v1.identity_pb2_grpc import IdentityServiceStub
from mcpanel.registry.v1.registry_pb2_grpc import add_RegistryServiceServicer_to_server
from registry.api import Registry
from registry.config import RegistryConfig
from registry.inspection import Inspector
from registry.links import DataSources, Linked, People, Secrets
from registry.records import ActionLog, Engine
from registry.tables import grants, metadata

_READ: Final = contracts.rules()["mcpanel.registry.v1.RegistryService/GetWorkflow"].permission


def build(settings: RegistryConfig, authenticator: Authenticator | None = None) -> Server:
    """The server as it runs; stopping it closes all it opened. Callers prove themselves to identity unless an
    `authenticator` is given.
    """
    db = Database(settings.database_url, metadata, name="registry")
    identity = channel(
        settings.identity_address, peer="identity", key_file=settings.key_file, tls_dir=settings.tls_dir
    )
    audit = channel(
        settings.audit_address, peer="audit", key_file=settings.key_file, tls_dir=settings.tls_dir
    )
    datasources = channel(
        settings.datasources_address, peer="datasources", key_file=settings.key_file, tls_dir=settings.tls_dir
    )
    engine = channel(
        settings.engine_address, peer="engine", key_file=settings.key_file, tls_dir=settings.tls_dir
    )
    servicer = Registry(
        db,
        Linked(DataSources(DataSourceServiceStub(datasources)), Secrets(SecretServiceStub(datasources))),
        People(IdentityServiceStub(identity)),
        Inspector(),
        sharing=Sharing(IdentityServiceStub(identity), grants, _READ),
        engine=Engine(EngineServiceStub(engine)),
        log=ActionLog(AuditServiceStub(audit)),
    )
    return Server(
        settings,
        [(add_RegistryServiceServicer_to_server, servicer)],
        authenticator=authenticator or RemoteAuthenticator(identity),
        db=db,
        audit=audit,
        migrations_package="registry",
        on_stop=[identity.close, audit.close, datasources.close, engine.close, db.close],
    )
