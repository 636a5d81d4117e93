"""The service put together."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chassis import contracts
from chassis.addresses import Guard, Resolve, resolve
from chassis.authentication import Authenticator
from chassis.client import ServiceChannel
from chassis.database import Database
from chassis.rewrap import Place, Rotation
from chassis.server import Server
from chassis.shares import Sharing
from chassis.vault import Vault
from datasources.api import DataSources
from datasources.config import Config
from datasources.connections import Connections
from datasources.credentials import Credentials
from datasources.pools import Pools
from datasources.references import References
from datasources.secrets.api import Secrets
from datasources.tables import grants, metadata, named_secret_values, secrets
from mcpanel.datasources.v1 import datasources_pb2_grpc, secrets_pb2_grpc
from mcpanel.identity.v1.identity_pb2_grpc import IdentityServiceStub

_READ: Final = contracts.rules()["mcpanel.datasources.v1.DataSourceService/GetDataSource"].permission
_READ_SECRETS: Final = contracts.rules()["mcpanel.datasources.v1.SecretService/GetSecret"].permission


@dataclass(frozen=True, slots=True)
class Service:
    """The server, and the parts that tests look at."""

    server: Server
    db: Database
    pools: Pools
    vault: Vault
    rotation: Rotation
    connections: Connections
    secrets: Secrets


def build(
    config: Config,
    authenticator: Authenticator,
    identity: ServiceChannel,
    audit: ServiceChannel | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    resolver: Resolve = resolve,
) -> Service:
    """Everything this service is. Raises ConfigError and MasterKeyError."""
    guard = Guard(config.networks, resolver)
    vault = Vault(config.master_key)
    db = Database(config.database_url, metadata, name="datasources", repeat_key=vault.repeat_key)
    pools = Pools(config.pool_size, config.pool_total, wait_seconds=config.pool_wait)
    references = References(environ, config.secrets_dir)
    credentials = Credentials(db, references, vault)
    connections = Connections(guard, credentials, pools, config.tls_roots)
    sharing = Sharing(IdentityServiceStub(identity), grants, _READ)
    servicer = DataSources(db, vault, references, connections, pools, sharing=sharing)
    named = Secrets(
        db, vault, references, sharing=Sharing(IdentityServiceStub(identity), grants, _READ_SECRETS)
    )
    places = [Place.of(secrets, "data_source_id"), Place.of(named_secret_values, "secret_id")]
    rotation = Rotation(db, vault, places, service="datasources")
    server = Server(
        config,
        [
            (datasources_pb2_grpc.add_DataSourceServiceServicer_to_server, servicer),
            (secrets_pb2_grpc.add_SecretServiceServicer_to_server, named),
        ],
        authenticator=authenticator,
        db=db,
        audit=audit,
        background=[pools.run, rotation.run],
        on_stop=[servicer.queries.close, pools.close, db.close],
        migrations_package="datasources",
    )
    return Service(server, db, pools, vault, rotation, connections, named)
