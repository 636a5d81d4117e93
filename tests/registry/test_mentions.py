"""What configs name is linked by itself: data sources, secrets and hosts."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.config import Address, ServiceConfig
from chassis.errors import ServiceError
from chassis.server import Server
from registry import mentions
from tests.registry.conftest import Sources, Start, World
from tests.support.callers import SERVICE, TestAuthenticator


@pytest.fixture
async def linked(start: Start, tmp_path: Any) -> AsyncIterator[World]:
    """A registry whose datasources service knows the sources `sample` and `other`, and the secret `key`."""
    sources = Sources(ids={"sample": "0198-sample", "other": "0198-other"}, secrets={"key": "0198-key"})
    address = f"unix:{tmp_path}/ds"
    peer = Server(ServiceConfig(listen=Address(address)), sources.services, authenticator=TestAuthenticator())
    await peer.start()
    (tmp_path / "key").write_text(SERVICE.credential)
    yield await start(MCPANEL_DATASOURCES_ADDRESS=address, MCPANEL_KEY_FILE=str(tmp_path / "key"))
    await peer.stop(grace=0)


async def test_what_a_config_names_is_linked_beside_what_is_written(linked: World) -> None:
    output = await linked.definition(type="OUTPUT")
    data = await linked.definition(type="DATA")
    table = {"table": {"data_source": "sample", "table": "orders"}}
    webhook = {"webhook": {"url": "http://Hooks.example.com:8080/in", "secret": "key"}}
    query = {"query": {"data_source": "sample", "sql": "SELECT 1"}}

    written = await linked.version(output.id, "1.0.0", output=table, data_source_ids=["other"])
    sent = await linked.version(output.id, "2.0.0", output=webhook, network_hosts=["hooks.example.com:8080"])
    asked = await linked.version(data.id, "1.0.0", data=query, data_source_ids=["0198-sample"])

    assert [one.name for one in written.data_sources] == ["other", "sample"]
    assert [one.name for one in sent.secrets] == ["key"]
    assert list(sent.network_hosts) == ["hooks.example.com:8080"]
    assert [one.name for one in asked.data_sources] == ["sample"]


async def test_a_tool_of_an_assistant_that_there_is_not_is_refused_at_its_place(linked: World) -> None:
    made = await linked.definition(type="AI_ASSISTANT")
    tools = [{"data_source": one} for one in ("sample", "none")]
    config = {"model": "m", "user_prompt_template": "{{ q }}", "secret": "key", "tools": tools}

    with pytest.raises(ServiceError) as caught:
        await linked.version(made.id, ai_assistant=config)

    assert [one.field for one in caught.value.fields] == ["version.ai_assistant.tools[1].data_source"]
    assert caught.value.reason == "DATA_SOURCE_NOT_FOUND"


@pytest.mark.parametrize(
    ("config", "place", "reason"),
    [
        ({"table": {"data_source": "none", "table": "t"}}, "table.data_source", "DATA_SOURCE_NOT_FOUND"),
        (
            {"webhook": {"url": "https://example.com/", "secret": "none"}},
            "webhook.secret",
            "SECRET_NOT_FOUND",
        ),
        ({"webhook": {"url": "https://ada@example.com/", "secret": "key"}}, "webhook.url", None),
    ],
)
async def test_what_a_config_names_and_there_is_not_is_refused_at_its_own_field(
    linked: World, config: dict[str, Any], place: str, reason: str | None
) -> None:
    output = await linked.definition(type="OUTPUT")

    with pytest.raises(ServiceError) as caught:
        await linked.version(output.id, output=config)

    assert [one.field for one in caught.value.fields] == [f"version.output.{place}"]
    assert reason in (None, caught.value.reason)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/in", "example.com"),
        ("http://example.com/in", "example.com:80"),
        ("http://127.77.0.1:9000/", "127.77.0.1:9000"),
        ("https://[2001:db8::7]/x?y", "[2001:db8::7]"),
    ],
)
def test_a_urls_host_is_written_as_versions_declare_hosts(url: str, host: str) -> None:
    named = mentions.read("output", {"webhook": {"url": url, "secret": "key"}})

    assert list(named.hosts) == [host]
    assert dict(named.secrets) == {"key": "webhook.secret"}


def test_other_configs_name_nothing() -> None:
    assert mentions.read("python_script", {"code_content": "x"}) == mentions.Mentions()
    assert mentions.read("data", None) == mentions.Mentions()


ASKS = {"headers": {"key": "Bearer ${secret:key}"}, "url": "https://maps.example.com/mcp"}


async def test_the_secrets_of_the_server_that_is_used_are_linked(linked: World) -> None:
    made = await linked.definition(type="MCP")
    other = {"command": "clock", "env": {"KEY": "${secret:none}"}}
    document = json.dumps({"mcpServers": {"maps": ASKS, "clock": other}})

    found = await linked.version(made.id, mcp={"mcp_configuration": document, "server": "maps"})

    assert [one.name for one in found.secrets] == ["key"]
    assert list(found.network_hosts) == ["maps.example.com"]


async def test_a_secret_that_a_server_asks_for_and_there_is_not_is_refused_at_its_document(
    linked: World,
) -> None:
    made = await linked.definition(type="MCP")
    document = json.dumps({**ASKS, "headers": {"key": "${secret:none}"}})

    with pytest.raises(ServiceError) as caught:
        await linked.version(made.id, mcp={"mcp_configuration": document})

    assert [one.field for one in caught.value.fields] == ["version.mcp.mcp_configuration"]
    assert caught.value.reason == "SECRET_NOT_FOUND"
