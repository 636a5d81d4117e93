"""The service as a process."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stack.ports import free_port
from tests.support.servers import TestPostgres

SERVICE = "mcpanel.datasources.v1.DataSourceService"


def environment(url: str, port: int, home: Path, **settings: str) -> dict[str, str]:
    """What the service on this database and port reads."""
    return {
        "PATH": os.environ["PATH"],
        "MCPANEL_ENV_FILE": os.devnull,
        "MCPANEL_HOME": str(home),
        "MCPANEL_DATABASE_URL": url,
        "MCPANEL_LISTEN": f"127.0.0.1:{port}",
        "MCPANEL_METRICS_LISTEN": "",
        **settings,
    }


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python -m datasources …`, finished."""
    command = [sys.executable, "-m", "datasources", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_it_refuses_an_empty_database_migrates_it_serves_without_its_siblings_and_drains(
    postgres: TestPostgres, tmp_path: Path
) -> None:
    port = free_port()
    environ = environment(postgres.create_database("datasources"), port, tmp_path)

    refused = run(environ)
    migrated = run(environ, "migrate")
    server = subprocess.Popen([sys.executable, "-m", "datasources"], env=environ, stderr=subprocess.DEVNULL)
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            answer = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=SERVICE), wait_for_ready=True, timeout=30
            )
        rotated = run(environ, "rotate")
        server.send_signal(signal.SIGTERM)
        code = server.wait(30)
    finally:
        server.kill()

    key = tmp_path / "keys" / "datasources.master.key"
    assert refused.returncode == 1
    assert "python -m datasources migrate" in refused.stdout + refused.stderr
    assert migrated.returncode == 0, migrated.stderr
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    assert "version 2" in rotated.stdout
    assert [line.split()[0] for line in key.read_text().splitlines()] == ["1", "2"]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert code == 0


def test_it_says_in_one_sentence_why_it_cannot_start(tmp_path: Path) -> None:
    unset = environment("", 1, tmp_path)
    del unset["MCPANEL_DATABASE_URL"]
    networks = environment("postgresql://x", 1, tmp_path, MCPANEL_ALLOWED_NETWORKS="here")
    key = tmp_path / "keys" / "datasources.master.key"
    key.parent.mkdir()
    key.write_text("nonsense")
    key.chmod(0o600)
    damaged = environment("postgresql://x", 1, tmp_path)

    for environ, arguments, code, says in (
        (unset, (), 1, "MCPANEL_DATABASE_URL is not set"),
        (networks, (), 1, "MCPANEL_ALLOWED_NETWORKS 'here' is invalid"),
        (damaged, (), 1, "datasources.master.key, line 1"),
        (damaged, ("serve",), 2, "usage: python -m datasources [migrate | rotate]"),
    ):
        done = run(environ, *arguments)

        assert done.returncode == code
        assert says in done.stderr
        assert "Traceback" not in done.stderr
