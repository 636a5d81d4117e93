"""The service, put together: what `__main__` runs and what the tests run against."""

import secrets
from dataclasses import dataclass

from chassis.client import ServiceChannel
from chassis.database import Database
from chassis.server import Server
from identity import built_in, providers, store
from identity.api import IdentityService, Parts
from identity.authenticator import LocalAuthenticator
from identity.config import IdentityConfig
from identity.external import ExternalLogins
from identity.logins import Limits, Logins
from identity.passwords import Passwords
from identity.signing import Signer
from identity.tables import metadata
from identity.upkeep import Purge, Use
from mcpanel.identity.v1 import identity_pb2_grpc


@dataclass(frozen=True, slots=True)
class Service:
    """A service that is ready to run."""

    server: Server
    db: Database
    key_use: Use
    session_use: Use
    purge: Purge


def build(config: IdentityConfig, audit: ServiceChannel | None, limits: Limits | None = None) -> Service:
    """The service. Raises SigningKeyError when there is no key to sign with, ProvidersError for a file of login
    providers that cannot be used.
    """
    signer = Signer(config.signing_key)
    db = Database(config.database_url, metadata, name="identity", repeat_key=lambda: signer.repeat_secret)
    key_use, session_use = Use(db, store.keys.note_used), Use(db, store.sessions.note_used)
    purge = Purge(db)
    passwords = Passwords(
        memory_kib=config.argon2_memory_kib, passes=config.argon2_passes, threads=config.password_threads
    )
    authenticator = LocalAuthenticator(db, key_use, session_use)
    logins = Logins(db, passwords, signer, secrets.token_bytes, limits or Limits())
    known = providers.load(config.login_providers, is_local=config.profile == "local")
    parts = Parts(
        db=db,
        authenticator=authenticator,
        passwords=passwords,
        signer=signer,
        logins=logins,
        external=ExternalLogins(db, logins, secrets.token_bytes, known, config.public_url),
        random=secrets.token_bytes,
        registration_open=config.registration_open,
    )
    server = Server(
        config,
        [(identity_pb2_grpc.add_IdentityServiceServicer_to_server, IdentityService(parts))],
        authenticator=authenticator,
        db=db,
        audit=audit,
        on_start=[lambda: built_in.ensure(db)],
        background=[key_use.run, session_use.run, purge.run],
        on_stop=[key_use.close, session_use.close, passwords.close, db.close],
        migrations_package="identity",
    )
    return Service(server, db, key_use, session_use, purge)
