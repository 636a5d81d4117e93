"""Where data sources may be: public addresses, and the private ones the operator allows."""

import ipaddress
from collections.abc import Sequence
from typing import Any

import pytest

from chassis.addresses import Guard, UnknownHostError, resolve
from chassis.config import ConfigError, load
from chassis.errors import Denied, Precondition
from datasources.config import Config
from mcpanel.datasources.v1 import datasources_pb2 as pb
from tests.datasources.calls import create, sales, update
from tests.datasources.conftest import Target, World, run
from tests.support.callers import ADMIN, as_caller
from tests.support.servers import TestPostgres


def guard(*answers: str, allowed: Sequence[str] = ()) -> Guard:
    """A guard whose resolver knows one host."""

    async def resolver(host: str) -> Sequence[str]:
        return answers

    return Guard([ipaddress.ip_network(one) for one in allowed], resolver)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.1.2.3",
        "0.0.0.0",  # noqa: S104
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "192.0.0.192",
        "198.18.0.1",
        "192.0.2.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
        "nonsense",
    ],
)
async def test_a_private_address_is_refused(address: str) -> None:
    with pytest.raises(Denied) as caught:
        await guard(address).target("db.example.com")

    assert caught.value.reason == "ADDRESS_REFUSED"


@pytest.mark.parametrize("address", ["93.184.215.14", "1.1.1.1", "2606:4700::1111"])
async def test_a_public_address_is_accepted_as_it_is(address: str) -> None:
    target = await guard(address).target("db.example.com")

    assert (target.host, target.address, target.is_loopback) == ("db.example.com", address, False)


async def test_what_the_operator_allows_is_accepted() -> None:
    allowed = ["10.1.0.0/16", "::1/128"]

    assert (await guard("10.1.2.3", allowed=allowed).target("x")).address == "10.1.2.3"
    assert (await guard("::ffff:10.1.2.3", allowed=allowed).target("x")).address == "10.1.2.3"
    assert (await guard("::1", allowed=allowed).target("x")).is_loopback
    for other in ("10.2.0.1", "127.0.0.1"):
        with pytest.raises(Denied):
            await guard(other, allowed=allowed).target("x")


async def test_of_several_addresses_the_first_acceptable_is_taken() -> None:
    assert (await guard("127.0.0.1", "1.1.1.1", "8.8.8.8").target("x")).address == "1.1.1.1"


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "localhost"])
async def test_other_spellings_of_this_machine_are_this_machine(host: str) -> None:
    with pytest.raises((Denied, UnknownHostError)):
        await Guard([]).target(host)


async def test_a_name_without_an_address_is_unknown() -> None:
    with pytest.raises(UnknownHostError):
        await resolve("no-such-host.invalid")


def test_a_network_that_is_none_is_a_problem_of_the_configuration() -> None:
    networks = "10.0.0.0/8, nonsense, 10.0.0.1/8"
    settings = {"MCPANEL_DATABASE_URL": "postgresql://x", "MCPANEL_ALLOWED_NETWORKS": networks}

    with pytest.raises(ConfigError) as caught:
        load(Config, settings).networks  # noqa: B018

    assert len(caught.value.problems) == 2


async def test_a_data_source_at_a_private_address_is_neither_made_nor_moved_to(
    postgres: TestPostgres, tmp_path: Any
) -> None:
    async for world in run(postgres, tmp_path, {}):
        world.names["db.example.com"] = ["1.1.1.1"]
        world.names["metadata.example.com"] = ["169.254.169.254"]
        for host in ("127.0.0.1", "localhost", "10.0.0.1", "metadata.example.com", "::1"):
            world.names["localhost"] = ["127.0.0.1"]
            with pytest.raises(Denied) as caught:
                await create(world, sales(host=host))
            assert caught.value.reason == "ADDRESS_REFUSED"
        await create(world, sales(host="db.example.com"))
        with pytest.raises(Denied):
            await update(world, pb.DataSource(host="metadata.example.com"))


async def test_a_name_that_moves_to_a_private_address_later_is_refused_when_connecting(
    postgres: TestPostgres, tmp_path: Any
) -> None:
    async for world in run(postgres, tmp_path, {}):
        world.names["db.example.com"] = ["1.1.1.1"]
        await create(world, sales(host="db.example.com"))
        world.names["db.example.com"] = ["127.0.0.1"]

        with pytest.raises(Denied) as caught:
            await world.query("SELECT 1", source="sales")
        tested = await world.stub.TestConnection(
            pb.TestConnectionRequest(data_source_id="sales"), metadata=as_caller(ADMIN)
        )

        assert caught.value.reason == "ADDRESS_REFUSED"
        assert not tested.ok
        assert "private address" in tested.message


async def test_the_address_that_was_judged_is_the_one_connected_to(world: World, target: Target) -> None:
    world.names["db.example.com"] = ["127.0.0.1"]  # what no real resolver says
    await world.create(target.data_source(host="db.example.com"))

    assert await world.value("SELECT host(inet_server_addr())") == "127.0.0.1"


async def test_a_host_that_has_no_address_now_can_be_saved_and_not_connected_to(world: World) -> None:
    async def unknown(host: str) -> Sequence[str]:
        raise UnknownHostError(host)

    world.service.connections._guard = Guard([], unknown)

    made = await create(world, sales(host="later.example.com"))

    assert made.tls_mode == pb.DataSource.REQUIRE_VERIFIED
    with pytest.raises(Precondition) as caught:
        await world.query("SELECT 1", source="sales")
    assert caught.value.message == "later.example.com has no address"
