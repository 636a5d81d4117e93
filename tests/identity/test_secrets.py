"""No secret lies anywhere it could be read: every table and every log line is searched."""

import hashlib
import io
import logging

from sqlalchemy import select, text

from chassis import logs
from chassis.database import Database
from mcpanel.identity.v1 import identity_pb2 as pb
from tests.chassis.probes import failure
from tests.identity.conftest import PASSWORD, World, bearer

NEW = "a wholly new password"


async def everything(db: Database) -> str:
    """Every row of every table, as text; bytes as hex and as they are."""
    found: list[str] = []
    tables = "select table_name from information_schema.tables where table_schema = 'public'"
    async with db.read() as tx:
        for table in list((await tx.execute(text(tables))).scalars()):
            for row in await tx.execute(text(f'select * from "{table}"')):
                found.extend(one.decode("latin-1") if isinstance(one, bytes) else str(one) for one in row)
    return "\n".join(found)


async def test_no_password_key_or_token_is_stored_or_logged(world: World, db: Database) -> None:
    lines = io.StringIO()
    root = logging.getLogger()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logs.JsonFormatter("identity"))
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.DEBUG)
    try:
        secrets = await a_life(world)
    finally:
        root.setLevel(level)
        root.removeHandler(handler)

    stored = await everything(db)
    assert "ada@example.com" in stored
    assert lines.getvalue()
    for name, secret in secrets.items():
        assert secret not in stored, f"{name} is stored"
        assert secret not in lines.getvalue(), f"{name} is logged"


async def test_what_is_kept_of_a_request_is_no_way_around_the_slow_hash(world: World, db: Database) -> None:
    register = pb.RegisterUserRequest(email="ada@example.com", password=PASSWORD, request_id="r1")
    await world.stub.RegisterUser(register, metadata=world.admin)

    async with db.read() as tx:
        kept = await tx.scalar(select(db.tables.idempotency.c.request_hash))

    guessed = pb.RegisterUserRequest(email="ada@example.com", password=PASSWORD)
    assert kept
    assert kept != hashlib.sha256(guessed.SerializeToString(deterministic=True)).digest()


async def a_life(world: World) -> dict[str, str]:
    """Everything that handles secrets, done once; returns the secrets."""
    register = pb.RegisterUserRequest(
        email="ada@example.com", password=PASSWORD, role_name="Editor", request_id="r1"
    )
    for _ in range(2):
        await world.stub.RegisterUser(register, metadata=world.admin)
    await failure(world.stub.Login(pb.LoginRequest(email="ada@example.com", password="a wrong password")))
    tokens = await world.login("ada@example.com")
    fresh = await world.stub.RefreshSession(pb.RefreshSessionRequest(refresh_token=tokens.refresh_token))
    mine = bearer(fresh.access_token)
    create = pb.CreateApiKeyRequest(name="ci", request_id="r2")
    key = (await world.stub.CreateApiKey(create, metadata=mine)).secret
    await world.stub.CreateApiKey(create, metadata=mine)
    run = pb.IssueRunTokenRequest(
        run_id="01890000-0000-7000-8000-000000000001", subject_id="u", data_source_ids=["d"]
    )
    run_token = (await world.stub.IssueRunToken(run, metadata=bearer(world.key("engine")))).token
    update = pb.UpdateUserRequest(
        user_id="me", user=pb.User(), new_password=NEW, current_password=PASSWORD, request_id="r3"
    )
    await world.stub.UpdateUser(update, metadata=mine)
    return {
        "the password": PASSWORD,
        "the new password": NEW,
        "the wrong password": "a wrong password",
        "the first access token": tokens.access_token,
        "the first refresh token": tokens.refresh_token,
        "the access token": fresh.access_token,
        "the refresh token": fresh.refresh_token,
        "the API key": key,
        "the API key's secret": key[15:-6],
        "the run token": run_token,
        "the admin key": world.key("admin"),
    }
