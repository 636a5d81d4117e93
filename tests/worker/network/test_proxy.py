"""What steps reach: the hosts their version declares, at addresses the operator accepts, for as long as they run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.authorities import make_authority
from tests.worker.conftest import Start
from tests.worker.network.servers import ADDRESS, NETWORKS, Server, guard
from tests.worker.support.cells import Bench, Remembering, sandbox
from tests.worker.support.engine import Engine, python_version
from worker.cells.bubblewrap import Sandbox
from worker.cells.profile import DENO, PYTHON
from worker.network import Reach, proxy

GET = """
import socket, urllib.error, urllib.request
def get(url, data=None):
    try:
        return urllib.request.urlopen(url, data, timeout=10).read().decode()
    except urllib.error.HTTPError as error:
        return f"{error.code} {error.read().decode().strip()}"
    except OSError as error:
        return str(error)
def tunnel(address):
    connection = socket.create_connection(("127.0.0.1", 3128), timeout=10)
    connection.sendall(f"CONNECT {address} HTTP/1.1\\r\\nHost: {address}\\r\\n\\r\\n".encode())
    return connection, connection.recv(1000).decode().split("\\r\\n")[0]
"""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that the operator allows."""
    one = Server()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture(scope="session")
async def shared(box: Sandbox) -> AsyncIterator[Bench]:
    """The session's Python bench with network."""
    bench = Bench(box, replace(PYTHON, network=True))
    yield bench
    await bench.close()


@pytest.fixture
def python(shared: Bench, server: Server) -> Bench:
    """Runs Python jobs that may reach the server by its address, and some names."""
    shared.sink = Remembering()
    names = ("allowed", "both", "inside", "mapped", "rebound", "unknown")
    shared.reach = Reach.of(
        [f"{ADDRESS}:{server.port}", *(f"{name}.example:{server.port}" for name in names)], guard()
    )
    return shared


def warnings(bench: Bench) -> list[str]:
    """The lines of the step's log that warn."""
    return [line for stream, level, line in bench.sink.lines if (stream, level) == ("log", "WARNING")]


async def test_a_declared_host_is_reached_by_plain_http(python: Bench, server: Server) -> None:
    code = (
        GET
        + "def main(url: str):\n    return [get(url + '/a?b=1'), get(url, b'x' * 300_000), get(url + '/chunks')]"
    )
    url = f"http://allowed.example:{server.port}"

    output = await python.output(code, {"url": url})

    host = f"allowed.example:{server.port}"
    assert output == [f"/a?b=1 {host} 0", f"/ {host} 300000", "onetwo"]
    assert warnings(python) == []
    assert "proxy" not in "".join(server.heads).lower()


async def test_a_declared_host_is_reached_through_a_tunnel(python: Bench, server: Server) -> None:
    code = GET + (
        "def main(address: str):\n"
        "    connection, status = tunnel(address)\n"
        "    connection.sendall(b'!' + bytes(200_000))\n"
        "    connection.shutdown(socket.SHUT_WR)\n"
        "    return [status, len(b''.join(iter(lambda: connection.recv(65536), b'')))]"
    )

    output = await python.output(code, {"address": f"{ADDRESS}:{server.port}"})

    assert output == ["HTTP/1.1 200 Connected", 200_001]


@pytest.mark.parametrize(
    ("host", "said"),
    [
        (
            "other.example",
            "other.example:{port} is not declared; add other.example:{port} to the version's network_hosts",
        ),
        ("169.254.169.254", "169.254.169.254:{port} is not declared"),
        ("127.0.0.1", "127.0.0.1:{port} is not declared"),
        ("inside.example", "inside.example has a private address, and the operator does not allow it"),
        ("mapped.example", "mapped.example has a private address"),
        ("rebound.example", "rebound.example has a private address"),
    ],
)
async def test_a_host_that_may_not_be_reached_is_named_with_what_to_do(
    python: Bench, server: Server, host: str, said: str
) -> None:
    code = (
        GET
        + "def main(host: str):\n    return [get(f'http://{host}/'), get(f'http://{host}/'), tunnel(host)[1]]"
    )

    plain, again, tunnelled = await python.output(code, {"host": f"{host}:{server.port}"})

    said = said.format(port=server.port)
    assert plain.startswith(f"403 {said}")
    assert plain == again
    assert tunnelled.startswith(f"HTTP/1.1 403 {said}")
    assert [line.startswith(f"network: {said}") for line in warnings(python)] == [True]
    assert server.heads == []


async def test_a_name_with_a_private_address_and_an_allowed_one_is_reached_at_the_allowed_one(
    python: Bench, server: Server
) -> None:
    code = GET + "def main(url: str):\n    return get(url)"

    assert await python.output(code, {"url": f"http://both.example:{server.port}/"}) == (
        f"/ both.example:{server.port} 0"
    )


async def test_a_name_without_an_address_is_the_servers_trouble_not_a_refusal(
    python: Bench, server: Server
) -> None:
    code = GET + "def main(url: str):\n    return get(url)"

    output = await python.output(code, {"url": f"http://unknown.example:{server.port}/"})

    assert output == "502 unknown.example has no address now; see whether its name is right"
    assert warnings(python) == []


async def test_a_redirect_leads_to_declared_hosts_only(python: Bench, server: Server) -> None:
    code = GET + "def main(url: str):\n    return get(url)"

    output = await python.output(code, {"url": f"http://{ADDRESS}:{server.port}/elsewhere"})

    assert output.startswith("403 169.254.169.254:80 is not declared")


@pytest.mark.parametrize(
    "request_line",
    [
        "GET / HTTP/1.1",
        "GET https://allowed.example/ HTTP/1.1",
        "CONNECT allowed.example/x HTTP/1.1",
        "\\x16\\x03\\x01",
    ],
)
async def test_what_is_no_request_to_a_proxy_is_answered_with_a_sentence(
    python: Bench, request_line: str
) -> None:
    code = (
        "import socket\n"
        "def main():\n"
        "    connection = socket.create_connection(('127.0.0.1', 3128), timeout=10)\n"
        f"    connection.sendall(b'{request_line}\\r\\nHost: x\\r\\n\\r\\n')\n"
        "    return connection.recv(100).decode().split('\\r\\n')[0]"
    )

    assert (await python.output(code)).startswith("HTTP/1.1 400 ")


async def test_nothing_else_of_the_network_is_there(python: Bench, server: Server) -> None:
    code = """
import socket
def main(port: int):
    found = []
    for address in (("127.77.0.1", port), ("127.0.0.1", 22), ("1.1.1.1", 443), ("169.254.169.254", 80)):
        try:
            socket.create_connection(address, timeout=5).close()
            found.append(address)
        except OSError:
            pass
    try:
        socket.create_server(("127.0.0.1", 0))
        found.append("listens")
    except OSError:
        pass
    return found
"""

    assert await python.output(code, {"port": server.port}) == []


async def test_connections_end_with_their_attempt(python: Bench, server: Server) -> None:
    code = GET + "def main(address: str):\n    return [tunnel(address)[1] for _ in range(3)]"

    await python.output(code, {"address": f"{ADDRESS}:{server.port}"})
    cell = python.cell
    await server.has_open(0)
    python.reach = Reach.of([], guard())
    output = await python.output(code, {"address": f"{ADDRESS}:{server.port}"})

    assert python.cell is cell
    assert {one.split(" ")[1] for one in output} == {"403"}


async def test_a_cancelled_steps_connection_ends(python: Bench, server: Server) -> None:
    code = GET + "def main(url: str):\n    return get(url)"
    running = asyncio.create_task(python.run(code, {"url": f"http://{ADDRESS}:{server.port}/silent"}))
    await server.has_open(1)

    assert python.cell is not None
    python.cell.cancel()
    outcome = await running
    await server.has_open(0)

    assert outcome.failure is not None
    assert outcome.failure.kind == "CANCELLED"


async def test_a_request_that_the_step_gives_up_ends_at_the_server_too(python: Bench, server: Server) -> None:
    code = GET + (
        "def main(url: str):\n"
        "    try:\n"
        "        urllib.request.urlopen(url, timeout=0.2)\n"
        "    except OSError:\n"
        "        input_closed = socket.create_connection(('127.0.0.1', 3128))\n"
        "        input_closed.recv(1)\n"
    )
    running = asyncio.create_task(python.run(code, {"url": f"http://{ADDRESS}:{server.port}/silent"}))
    await server.has_open(1)

    await server.has_open(0)

    assert not running.done()
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


async def test_the_connections_of_an_attempt_are_bounded(
    python: Bench, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "MOST_CONNECTIONS", 3)
    code = (
        GET
        + "def main(address: str):\n    kept = [tunnel(address) for _ in range(5)]\n    return [s for _, s in kept]"
    )

    output = await python.output(code, {"address": f"{ADDRESS}:{server.port}"})

    assert [one.split(" ")[1] for one in output] == ["200"] * 3 + ["503"] * 2
    assert warnings(python) == ["network: the step has 3 connections open, the most there may be; close some"]


async def test_deno_reaches_the_declared_hosts_and_knows_of_no_others(box: Sandbox, server: Server) -> None:
    hosts = (f"{ADDRESS}:{server.port}",)
    bench = Bench(box, replace(DENO, network=True, hosts=hosts))
    bench.reach = Reach.of(hosts, guard())
    code = """
async function get(url: string) {
  try {
    return await (await fetch(url)).text();
  } catch (error) {
    return (error as Error).name;
  }
}
export async function main({ url }: { url: string }) {
  return [await get(url), await get("http://other.example/"), await get("http://127.0.0.1:3128/")];
}
"""

    output = await bench.output(code, {"url": f"http://{ADDRESS}:{server.port}/"})
    await bench.close()

    assert output == [f"/ {ADDRESS}:{server.port} 0", "NotCapable", "NotCapable"]


async def test_a_server_is_verified_by_the_authorities_that_the_worker_trusts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, certificates = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(root))
    server = Server(certificates("allowed.example"))
    await server.start()
    reach = Reach.of([f"allowed.example:{server.port}", f"{ADDRESS}:{server.port}"], guard())
    inputs = {"urls": [f"https://{host}:{server.port}/" for host in ("allowed.example", ADDRESS)]}
    python = Bench(sandbox(), replace(PYTHON, network=True))
    deno = Bench(sandbox(), replace(DENO, network=True, hosts=tuple(map(str, reach.hosts))))
    python.reach = deno.reach = reach

    trusted, misnamed = await python.output(
        GET + "def main(urls: list):\n    return [get(url) for url in urls]", inputs
    )
    fetched = await deno.output(
        "export async function main({ urls }: { urls: string[] }) {\n  return await (await fetch(urls[0])).text();\n}",
        inputs,
    )
    for bench in (python, deno):
        await bench.close()
    port = server.port
    await server.stop()

    assert trusted == fetched == f"/ allowed.example:{port} 0"
    assert "CERTIFICATE_VERIFY_FAILED" in misnamed


async def test_without_cells_each_step_finds_its_own_proxy_and_no_others(server: Server) -> None:
    benches = [Bench(sandbox(level="limits"), replace(PYTHON, network=True)) for _ in range(2)]
    code = GET + "import os\ndef main(url: str):\n    return [os.environ['HTTP_PROXY'], get(url)]"
    benches[0].reach = Reach.of([f"{ADDRESS}:{server.port}"], guard())
    benches[1].reach = Reach.of([], guard())

    mine, theirs = [await one.output(code, {"url": f"http://{ADDRESS}:{server.port}/"}) for one in benches]
    for one in benches:
        await one.close()

    assert mine[1] == f"/ {ADDRESS}:{server.port} 0"
    assert theirs[1].startswith("403 ")
    assert mine[0] != theirs[0]


async def test_a_worker_gives_a_step_the_hosts_of_its_version_and_no_other_step_any(
    engine: Engine, start: Start, server: Server
) -> None:
    code = GET + "def main(url: str):\n    return get(url)"
    inputs = {"url": f"http://{ADDRESS}:{server.port}/"}
    await start(MCPANEL_WORKER_NETWORKS=NETWORKS)
    await engine.hears("hello")

    engine.assign(python_version(code, version_id="v1", hosts=[f"{ADDRESS}:{server.port}"]), inputs, step="a")
    engine.assign(python_version(code, version_id="v2", hosts=["api.example.com"]), inputs, step="b")
    engine.assign(python_version(code, version_id="v3"), inputs, step="c")
    heard = await engine.hears("result", 3)
    results = {one.ref.step_id: one.output_json.decode() for one in heard}
    hosts = {one.ref.step_id: list(one.limits.network_hosts) for one in heard}

    assert results["a"] == f'"/ {ADDRESS}:{server.port} 0"'
    assert "is not declared" in results["b"]
    assert hosts == {"a": [f"{ADDRESS}:{server.port}"], "b": ["api.example.com"], "c": []}
    assert "Permission denied" in results["c"] or "refused" in results["c"]
    assert [line.split(";")[0] for _, line in engine.lines()] == [
        f"network: {ADDRESS}:{server.port} is not declared"
    ]
