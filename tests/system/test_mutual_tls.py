"""A stack whose processes show each other certificates."""

import grpc
import pytest

from stack import certificates
from stack.table import CERTIFIED
from tests.support.stack import Stack
from tests.system.console import Console


async def test_everything_works_over_mutual_tls_nothing_without_and_certificates_change_meanwhile(
    doomed: Stack,
) -> None:
    async with doomed.http() as http:
        console = Console(http, patience=30)
        code = await console.python("def main() -> str:\n    return 'safe'\n")
        flow = await console.workflow(f"name: NAME\nsteps:\n  - {{id: a, component: {code}}}\n")

        before = await console.finish(await console.start(flow["name"]))
        for process in CERTIFIED:
            (doomed.home.path / "certificates" / process).unlink()
        made = certificates.ensure(doomed.home.path / "certificates", CERTIFIED)
        doomed.wait_restarted("registry", doomed.kill("registry"))
        run = await console.start(flow["name"])
        after = await console.finish(run)
        events = await console.events(run)
        health = await console.call("GET", "/health")
        who = {"email": "browser@example.com", "password": "a long enough password"}
        await console.call("POST", "/auth/register", json=who)
        login = await http.post("/auth/session", json=who)  # the gateway asks with a key of its own

    async with grpc.aio.insecure_channel(f"127.0.0.1:{doomed.ports.engine}") as plain:
        read = plain.unary_unary(
            "/mcpanel.engine.v1.EngineService/ListRuns", request_serializer=bytes, response_deserializer=bytes
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await read(b"", metadata=doomed.metadata(), timeout=10)

    assert (before["status"], after["status"]) == ("SUCCESS", "SUCCESS")
    assert set(made) == set(CERTIFIED)
    assert "end" in events[-1]
    assert health["status"] == "SERVING"
    assert login.status_code == 200
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
