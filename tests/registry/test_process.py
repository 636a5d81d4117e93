"""The registry as a process."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stack.ports import free_port
from tests.support.servers import TestPostgres

SERVICE = "mcpanel.registry.v1.RegistryService"


def environment(url: str, port: int, home: Path) -> dict[str, str]:
    """What a registry on this database and port reads."""
    return {
        "PATH": os.environ["PATH"],
        "MCPANEL_ENV_FILE": os.devnull,
        "MCPANEL_HOME": str(home),
        "MCPANEL_DATABASE_URL": url,
        "MCPANEL_LISTEN": f"127.0.0.1:{port}",
        "MCPANEL_METRICS_LISTEN": "",
    }


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m registry …`, finished."""
    command = [sys.executable, "-m", "registry", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_it_refuses_an_empty_database_migrates_it_serves_without_its_siblings_and_drains(
    postgres: TestPostgres, tmp_path: Path
) -> None:
    port = free_port()
    environ = environment(postgres.create_database("registry"), port, tmp_path)

    refused = run(environ)
    migrated = run(environ, "migrate")
    server = subprocess.Popen([sys.executable, "-m", "registry"], env=environ, stderr=subprocess.DEVNULL)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=SERVICE), wait_for_ready=True, timeout=30
            )
        server.send_signal(signal.SIGTERM)
        code = server.wait(30)
    finally:
        server.kill()

    assert refused.returncode == 1
    assert "python -m registry migrate" in refused.stdout + refused.stderr
    assert migrated.returncode == 0, migrated.stderr
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert code == 0


def test_it_names_what_its_environment_lacks_and_how_it_is_called(tmp_path: Path) -> None:
    environ = environment("", 1, tmp_path)
    del environ["MCPANEL_DATABASE_URL"]

    unset = run(environ)
    wrong = run(environ, "serve")

    assert (unset.returncode, wrong.returncode) == (1, 2)
    assert "MCPANEL_DATABASE_URL is not set" in unset.stderr
    assert "usage: python -m registry [migrate]" in wrong.stderr
