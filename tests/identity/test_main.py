"""`python -m identity` in processes of their own."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mcpanel.identity.v1 import identity_pb2 as pb
from mcpanel.identity.v1 import identity_pb2_grpc
from stack.ports import free_port
from tests.identity.conftest import Site, bearer
from tests.support.servers import TestPostgres


def environment(**environ: str) -> dict[str, str]:
    """A process's environment, with nothing of ours but what is named."""
    base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**base, "MCPANEL_ENV_FILE": os.devnull, **environ}


def command(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """`python -m identity …`, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "identity", *arguments],
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_commands_of_the_readme_work(postgres: TestPostgres, tmp_path: Path) -> None:

    url = postgres.create_database("identity")
    environ = {"MCPANEL_DATABASE_URL": url, "MCPANEL_KEYS_DIR": str(tmp_path / "keys")}

    too_early = command("bootstrap", **environ)
    migrated, first, second = (command(name, **environ) for name in ("migrate", "bootstrap", "bootstrap"))

    assert too_early.returncode == 1
    assert "python -m identity migrate" in too_early.stderr
    assert [done.returncode for done in (migrated, first, second)] == [0, 0, 0]
    assert "admin.key has a new key" in first.stdout
    assert second.stdout == ""
    for text in (path.read_text() for path in (tmp_path / "keys").iterdir()):
        assert text.strip() not in first.stdout + first.stderr


def test_an_unconfigured_service_says_what_is_missing(tmp_path: Path) -> None:
    nothing = command()
    no_key = command(MCPANEL_DATABASE_URL="postgresql://nobody@127.0.0.1:1/x", MCPANEL_HOME=str(tmp_path))
    unknown = command("serve")

    assert nothing.returncode == 1
    assert "MCPANEL_DATABASE_URL is not set" in nothing.stderr
    assert no_key.returncode == 1
    assert "signing.key is missing: run python -m identity bootstrap" in no_key.stderr
    assert unknown.returncode == 2


async def test_the_service_serves_until_it_is_told_to_stop(site: Site) -> None:
    port = free_port()
    environ = site.environ(MCPANEL_LISTEN=f"127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "identity",
        env=environment(**environ),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr
    try:
        async with asyncio.timeout(60), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service="mcpanel.identity.v1.IdentityService")
            answer = await health.Check(request, wait_for_ready=True)
            admin = (site.home / "keys" / "admin.key").read_text().strip()
            stub = identity_pb2_grpc.IdentityServiceStub(channel)
            me = await stub.GetMe(pb.GetMeRequest(), metadata=bearer(admin))
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = await process.communicate()

    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert me.principal.name == "admin"
    assert process.returncode == 0
    assert admin not in errors.decode()
