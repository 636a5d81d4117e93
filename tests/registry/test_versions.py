"""Versions over the wire."""

import asyncio
from typing import Any

import pytest
from google.protobuf import json_format

from chassis import jsonvalue
from chassis.config import Address, ServiceConfig
from chassis.errors import ServiceError
from chassis.server import Server
from mcpanel.registry.v1 import component_pb2
from mcpanel.registry.v1 import registry_pb2 as pb
from tests.registry.conftest import Sources, Start, World
from tests.support.callers import EDITOR, OTHER_EDITOR, SERVICE, TestAuthenticator


def creating(definition: str, **fields: Any) -> pb.CreateVersionRequest:
    """A request for a version from its JSON form."""
    body = {"version": "1.0.0", **fields}
    return pb.CreateVersionRequest(
        definition_id=definition, version=json_format.ParseDict(body, component_pb2.Version())
    )


async def test_a_version_is_answered_as_it_was_sent_with_its_schemas_inferred(world: World) -> None:
    made = await world.definition()

    version = await world.version(made.name, changelog="first")
    shown = (await world.call("GetVersion", pb.GetVersionRequest(version_id=version.id))).version

    assert shown == version
    assert (version.definition_id, version.definition_name) == (made.id, made.name)
    assert version.created_by == EDITOR.id
    schema = json_format.MessageToDict(version.input_schema)
    assert schema["properties"] == {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}}
    assert schema["required"] == ["city"]
    assert json_format.MessageToDict(version.output_schema)["type"] == "object"


async def test_a_schema_that_is_given_wins_over_the_inferred_one(world: World) -> None:
    made = await world.definition()
    given = {"type": "object", "properties": {"city": {"enum": ["Seattle"]}}}
    code = {"codeContent": "def main(city: str) -> int:\n    return 1\n"}

    version = (
        await world.call("CreateVersion", creating(made.id, pythonScript=code, inputSchema=given))
    ).version

    assert json_format.MessageToDict(version.input_schema) == given
    assert json_format.MessageToDict(version.output_schema)["type"] == "integer"


@pytest.mark.parametrize("effect", ["", "pure", "idempotent", "effectful"])
async def test_a_version_says_what_running_it_again_may_do(world: World, effect: str) -> None:
    made = await world.definition()

    version = await world.version(made.id, effect=effect)
    shown = (await world.call("GetVersion", pb.GetVersionRequest(version_id=version.id))).version
    listed = await world.call("ListVersions", pb.ListVersionsRequest(definition_id=made.id))

    assert (version.effect, shown.effect, listed.versions[0].effect) == (effect, effect, effect)


async def test_an_effect_that_there_is_not_is_refused(world: World) -> None:
    made = await world.definition()
    code = {"codeContent": "x = 1"}

    refused = await world.refused("CreateVersion", creating(made.id, pythonScript=code, effect="harmless"))

    assert (refused.code, [one.field for one in refused.fields]) == ("INVALID_ARGUMENT", ["version.effect"])


async def test_the_hosts_a_version_reaches_are_kept_in_one_form(world: World) -> None:
    made = await world.definition()

    version = await world.version(
        made.id, network_hosts=["api.example.com:443", "*.Example.org", "API.example.com"]
    )
    shown = (await world.call("GetVersion", pb.GetVersionRequest(version_id=version.id))).version
    listed = await world.call("ListVersions", pb.ListVersionsRequest(definition_id=made.id))

    assert list(version.network_hosts) == ["*.example.org", "api.example.com"]
    assert shown.network_hosts == version.network_hosts == listed.versions[0].network_hosts


async def test_each_host_that_is_none_is_named(world: World) -> None:
    made = await world.definition()
    code = {"codeContent": "x = 1"}
    sent = ["https://api.example.com/v1", "api.example.com", "127.1"]

    refused = await world.refused("CreateVersion", creating(made.id, pythonScript=code, networkHosts=sent))

    assert refused.code == "INVALID_ARGUMENT"
    assert [(one.field, one.reason) for one in refused.fields] == [
        ("version.network_hosts[0]", "INVALID_HOST"),
        ("version.network_hosts[2]", "INVALID_HOST"),
    ]
    assert "write its name only" in refused.fields[0].description


async def test_an_expression_reaches_no_hosts(world: World) -> None:
    made = await world.definition(type="UTILITY")
    utility = {"expression": "1 + 1"}

    refused = await world.refused(
        "CreateVersion", creating(made.id, utility=utility, networkHosts=["a.example"])
    )

    assert [one.field for one in refused.fields] == ["version.network_hosts"]
    assert "remove it" in refused.fields[0].description


async def test_the_latest_version_is_the_highest_not_the_last_and_not_a_deprecated_one(world: World) -> None:
    made = await world.definition()
    ids = {}
    for number in ("1.9.0", "1.10.0", "1.2.0", "1.10.0-rc.1"):
        ids[number] = (await world.version(made.id, number)).id

    async def latest() -> str:
        found = await world.call("GetDefinition", pb.GetDefinitionRequest(definition_id=made.id))
        return str(found.definition.latest_version)

    before = await latest()
    deprecating = pb.DeprecateVersionRequest(version_id=ids["1.10.0"], message="use 1.9")
    deprecated = (await world.call("DeprecateVersion", deprecating)).version
    again = (await world.call("DeprecateVersion", deprecating)).version

    assert before == "1.10.0"
    assert await latest() == "1.10.0-rc.1"
    assert (deprecated.deprecation_message, deprecated.HasField("deprecated_at")) == ("use 1.9", True)
    assert again == deprecated


async def test_versions_are_listed_newest_first_without_configs(world: World) -> None:
    made = await world.definition()
    for number in ("1.0.0", "3.0.0", "2.0.0"):
        await world.version(made.id, number)

    first = await world.call("ListVersions", pb.ListVersionsRequest(definition_id=made.name, page_size=2))
    rest = await world.call(
        "ListVersions",
        pb.ListVersionsRequest(definition_id=made.name, page_size=2, page_token=first.next_page_token),
    )

    assert [one.version for one in (*first.versions, *rest.versions)] == ["2.0.0", "3.0.0", "1.0.0"]
    assert not rest.next_page_token
    assert {one.WhichOneof("config") for one in first.versions} == {None}
    assert not first.versions[0].HasField("input_schema")


async def test_a_version_is_made_once_however_many_want_it_at_a_time(world: World) -> None:
    made = await world.definition()

    results = await asyncio.gather(*(world.version(made.id) for _ in range(6)), return_exceptions=True)

    losers = [one for one in results if isinstance(one, ServiceError)]
    assert len(losers) == 5
    assert {(one.code, one.reason) for one in losers} == {("ALREADY_EXISTS", "VERSION_EXISTS")}


async def test_equal_configs_have_equal_digests_and_others_do_not(world: World) -> None:
    made = await world.definition()

    one = await world.version(made.id, "1.0.0", changelog="a")
    same = await world.version(made.id, "1.0.1", changelog="b")
    other = await world.version(
        made.id, "1.0.2", python_script=component_pb2.PythonScriptConfig(code_content="outputs = 1")
    )

    assert one.config_digest == same.config_digest != other.config_digest
    assert len(one.config_digest) == 64


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    (
        "PYTHON_SCRIPT",
        {"pythonScript": {"codeContent": "def main(:\n  pass"}},
        "code_content",
        "line 1, column 10",
    ),
    (
        "PYTHON_SCRIPT",
        {"pythonScript": {"codeContent": "x = 1\ny = (\n"}},
        "code_content",
        "line 2, column 5",
    ),
    (
        "PYTHON_SCRIPT",
        {"pythonScript": {"codeContent": "x = 1", "requirements": "# ok\npandas>=2\nnot a requirement!"}},
        "requirements",
        "line 3",
    ),
    (
        "PYTHON_SCRIPT",
        {"pythonScript": {"codeContent": "x = 1", "requirements": "--index-url https://example.com"}},
        "requirements",
        "is an option",
    ),
    (
        "PYTHON_SCRIPT",
        {"pythonScript": {"codeContent": "x = 1", "requirements": "x @ file:///tmp/x-1-py3-none-any.whl"}},
        "requirements",
        "comes from a URL",
    ),
    (
        "PYTHON_SCRIPT",
        {"pythonScript": {"codeContent": "# /// script\n# dependencies = [\n# ///\n"}},
        "code_content",
        "in the script's metadata block, line 3: this is no TOML",
    ),
    (
        "PYTHON_SCRIPT",
        {"pythonScript": {"codeContent": "# /// script\n# dependencies = [\n#   'a b',\n# ]\n# ///\n"}},
        "code_content",
        "in the script's metadata block, line 3: 'a b' is no requirement",
    ),
    (
        "TYPESCRIPT_SCRIPT",
        {"typescriptScript": {"codeContent": "export function main() {\n  return 1 +;\n}"}},
        "code_content",
        "line 2, column 13: a value is missing here",
    ),
    (
        "TYPESCRIPT_SCRIPT",
        {"typescriptScript": {"codeContent": "function main() {}"}},
        "code_content",
        "main is not exported",
    ),
    (
        "JUPYTER_NOTEBOOK",
        {"jupyterNotebook": {"notebookCells": [{"type": "code", "content": " "}, {"type": "markdown"}]}},
        "notebook_cells",
        "no code cell",
    ),
    (
        "JUPYTER_NOTEBOOK",
        {"jupyterNotebook": {"ipynb": '{"nbformat": 3, "worksheets": []}'}},
        "ipynb",
        "nbformat 4",
    ),
    (
        "JUPYTER_NOTEBOOK",
        {"jupyterNotebook": {"ipynb": '{"nbformat": 4, "cells": [{"cell_type": "markdown"}]}'}},
        "ipynb",
        "no code cell",
    ),
    (
        "JUPYTER_NOTEBOOK",
        {"jupyterNotebook": {"ipynb": '{"nbformat": 4, "cells": [{"cell_type": "code"}], "metadata": [1]}'}},
        "ipynb",
        "nbformat 4",
    ),
    ("JUPYTER_NOTEBOOK", {"jupyterNotebook": {"ipynb": "{"}}, "ipynb", "not a notebook file"),
    (
        "JUPYTER_NOTEBOOK",
        {"jupyterNotebook": {"ipynb": "{}", "notebookCells": [{"type": "code", "content": "1"}]}},
        "ipynb",
        "one of the two",
    ),
    (
        "MCP",
        {"mcp": {"mcpConfiguration": '{"mcpServers": {\n  "a": }'}},
        "mcp_configuration",
        "line 3, column 1",
    ),
    ("MCP", {"mcp": {"mcpConfiguration": "a: 1\nb: 2\na: 3\n"}}, "mcp_configuration", "line 3, column 1"),
    (
        "MCP",
        {"mcp": {"mcpConfiguration": "mcpServers: {a: {url: 'https://me:token@example.com/mcp'}}"}},
        "mcp_configuration",
        "put ${secret:…} into its headers",
    ),
    ("MCP", {"mcp": {"mcpConfiguration": "- a\n"}}, "mcp_configuration", "expected a mapping"),
    (
        "STREAMLIT_APP",
        {"streamlitApp": {"gitRepoUrl": "https://example.com/a.git", "mainScriptPath": "a/../../b.py"}},
        "main_script_path",
        "without ..",
    ),
    (
        "STREAMLIT_APP",
        {"streamlitApp": {"gitRepoUrl": "https://me:token@example.com/a.git", "mainScriptPath": "a.py"}},
        "git_repo_url",
        "everybody who sees the version",
    ),
    (
        "STREAMLIT_APP",
        {"streamlitApp": {"gitRepoUrl": "https://a]b.example.com/a.git", "mainScriptPath": "a.py"}},
        "git_repo_url",
        "URI",
    ),
    (
        "JUPYTER_NOTEBOOK",
        {
            "jupyterNotebook": {
                "ipynb": '{"nbformat": 4, "cells": [{"cell_type": "code"}], '
                '"metadata": {"kernelspec": {"language": "R"}}}'
            }
        },
        "ipynb",
        "notebooks run Python",
    ),
    *(
        (
            "OUTPUT",
            {"output": {"file": {"name": "a.txt", "mediaType": kind}}},
            "file.media_type",
            "such as text/csv",
        )
        for kind in ("text/plain\r\nx-evil: 1", "text/plain\n", "text", "Text/plain; a b")
    ),
    ("DATA", {"data": {"value": 1, "file": {}}}, "file", "beside value"),
    ("DATA", {"data": {"value": 1, "sql": "SELECT 1"}}, "sql", "beside value"),
    ("DATA", {"data": {"file": {"content": "x", "format": "parquet"}}}, "file.content", "as an artifact"),
    ("STREAMLIT_APP", {"streamlitApp": {"mainScriptPath": "app.py"}}, "files", "exactly one of the two"),
    (
        "STREAMLIT_APP",
        {"streamlitApp": {"files": [{"path": "a.py"}], "mainScriptPath": "b.py"}},
        "main_script_path",
        "none of the files",
    ),
    (
        "STREAMLIT_APP",
        {"streamlitApp": {"files": [{"path": "a.py"}, {"path": "../b.py"}], "mainScriptPath": "a.py"}},
        "files[1].path",
        "inside the app's folder",
    ),
    ("UTILITY", {"utility": {"expression": "inputs.a +"}}, "expression", "line 1, column"),
    (
        "UTILITY",
        {"utility": {"expression": "inputs.a\n+ " + "(" * 50 + "1" + ")" * 50}},
        "expression",
        "line 2, column 52: the expression is nested too deeply: 32 levels at most",
    ),
]


@pytest.mark.parametrize(("kind", "body", "field", "words"), WRONG)
async def test_a_config_that_cannot_be_used_is_refused_where_it_is_wrong(
    world: World, kind: str, body: dict[str, Any], field: str, words: str
) -> None:
    made = await world.definition(type=kind)

    refused = await world.refused("CreateVersion", creating(made.id, **body))

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")
    assert refused.fields[0].field == f"version.{kind.lower()}.{field}"
    assert words in refused.fields[0].description


async def test_a_config_of_another_type_is_refused_naming_both(world: World) -> None:
    made = await world.definition(type="MCP")

    other = await world.refused("CreateVersion", creating(made.id, pythonScript={"codeContent": "x = 1"}))
    none = await world.refused("CreateVersion", creating(made.id))

    assert (other.code, other.reason) == ("INVALID_ARGUMENT", "CONFIG_TYPE_MISMATCH")
    assert "MCP" in other.message
    assert "python_script" in other.message
    assert none.reason == "CONFIG_TYPE_MISMATCH"
    assert none.fields[0].field == "version.mcp"


@pytest.mark.parametrize("kind", ["DATA", "UTILITY", "OUTPUT"])
async def test_data_utility_and_output_may_go_without_a_config(world: World, kind: str) -> None:
    made = await world.definition(type=kind)

    version = (await world.call("CreateVersion", creating(made.id))).version

    assert version.WhichOneof("config") is None


async def test_what_a_utility_takes_and_answers_is_read_from_its_expression(world: World) -> None:
    made = await world.definition(type="UTILITY")
    expression = "inputs.rows.filter(row, row.t > inputs.?least.orValue(0))"

    version = (
        await world.call("CreateVersion", creating(made.id, utility={"expression": expression}))
    ).version

    takes, answers = jsonvalue.from_struct(version.input_schema), jsonvalue.from_struct(version.output_schema)
    assert takes["properties"] == {"rows": {}, "least": {}}
    assert takes["required"] == ["rows"]
    assert answers["type"] == "array"


async def test_an_empty_config_stays_a_config(world: World) -> None:
    made = await world.definition(type="OUTPUT")

    version = (await world.call("CreateVersion", creating(made.id, output={}))).version
    shown = (await world.call("GetVersion", pb.GetVersionRequest(version_id=version.id))).version

    assert shown.WhichOneof("config") == "output"


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ({"type": "strin"}, "version.input_schema.type"),
        ({"properties": {"a": {"type": 3}}}, "version.input_schema.properties.a.type"),
        ({"$ref": "#/$defs/nowhere"}, "version.input_schema.$ref"),
        ({"$ref": "https://example.com/schema"}, "version.input_schema.$ref"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "version.input_schema.$schema"),
        ({"pattern": "("}, "version.input_schema.pattern"),
    ],
)
async def test_a_schema_that_is_none_is_refused(world: World, schema: dict[str, Any], field: str) -> None:
    made = await world.definition(type="DATA")

    refused = await world.refused("CreateVersion", creating(made.id, inputSchema=schema))

    assert [one.field for one in refused.fields] == [field]


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.0.0-01", "01.0.0", ""])
async def test_a_version_is_a_semantic_version(world: World, version: str) -> None:
    made = await world.definition(type="DATA")

    refused = await world.refused("CreateVersion", creating(made.id, version=version))

    assert refused.code == "INVALID_ARGUMENT"
    assert refused.fields[0].field == "version.version"


async def test_a_script_is_read_and_never_run(world: World, tmp_path: Any) -> None:
    made = await world.definition()
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w').close()\n\ndef main(x=open({str(marker)!r}, 'w')) -> (lambda: 1/0)(): ...\n"

    await world.call("CreateVersion", creating(made.id, pythonScript={"codeContent": code}))

    assert not marker.exists()


async def test_a_version_of_a_private_definition_is_nowhere_for_others(world: World) -> None:
    made = await world.definition()
    version = await world.version(made.id)

    read = await world.refused("GetVersion", pb.GetVersionRequest(version_id=version.id), OTHER_EDITOR)
    mark = await world.refused(
        "DeprecateVersion", pb.DeprecateVersionRequest(version_id=version.id), OTHER_EDITOR
    )
    add = await world.refused("CreateVersion", creating(made.id, version="2.0.0"), OTHER_EDITOR)

    assert read.reason == mark.reason == "VERSION_NOT_FOUND"
    assert add.reason == "DEFINITION_NOT_FOUND"


async def test_numbers_of_a_config_stay_what_they_were(world: World) -> None:
    made = await world.definition(type="DATA")
    value = {"small": 1, "real": 1.5, "huge": 1e22, "tiny": 5e-324, "nested": [{"a": None}, True]}

    version = (await world.call("CreateVersion", creating(made.id, data={"value": value}))).version
    shown = (await world.call("GetVersion", pb.GetVersionRequest(version_id=version.id))).version

    assert json_format.MessageToDict(shown.data.value) == value


async def test_a_number_that_is_not_finite_is_refused(world: World) -> None:
    made = await world.definition(type="DATA")
    request = creating(made.id, data={"value": 1.0})
    request.version.data.value.number_value = float("inf")

    refused = await world.refused("CreateVersion", request)

    assert refused.fields[0].field == "version.data"


async def test_data_sources_and_secrets_are_linked_by_id_and_name_on_behalf_of_the_caller(
    start: Start, tmp_path: Any
) -> None:
    sources = Sources(ids={"sample": "0198-sample", "other": "0198-other"}, secrets={"key": "0198-key"})
    address = f"unix:{tmp_path}/ds"
    peer = Server(
        ServiceConfig(listen=Address(address)),
        sources.services,
        authenticator=TestAuthenticator(),
    )
    await peer.start()
    (tmp_path / "key").write_text(SERVICE.credential)
    world = await start(MCPANEL_DATASOURCES_ADDRESS=address, MCPANEL_KEY_FILE=str(tmp_path / "key"))
    made = await world.definition(type="DATA")

    named = {"dataSourceIds": ["sample", "0198-sample", "other"], "secretIds": ["key", "0198-key"]}
    linked = (await world.call("CreateVersion", creating(made.id, **named))).version
    missing = await world.refused(
        "CreateVersion", creating(made.id, version="2.0.0", dataSourceIds=["nowhere"])
    )
    no_secret = await world.refused("CreateVersion", creating(made.id, version="2.0.0", secretIds=["lost"]))
    read = (await world.call("GetVersion", pb.GetVersionRequest(version_id=linked.id))).version
    await peer.stop(grace=0)

    assert read == linked
    assert [(one.id, one.name) for one in linked.secrets] == [("0198-key", "key")]
    assert list(linked.secret_ids) == ["0198-key"]
    assert (no_secret.code, no_secret.reason) == ("NOT_FOUND", "SECRET_NOT_FOUND")
    assert [(one.id, one.name) for one in linked.data_sources] == [
        ("0198-sample", "sample"),
        ("0198-other", "other"),
    ]
    assert list(linked.data_source_ids) == ["0198-sample", "0198-other"]
    assert (missing.code, missing.reason) == ("NOT_FOUND", "DATA_SOURCE_NOT_FOUND")
    assert {one.get("x-mcpanel-on-behalf-of") for one in sources.calls} == {EDITOR.credential}


async def test_without_datasources_only_versions_that_need_it_are_refused(world: World) -> None:
    made = await world.definition(type="DATA")

    refused = await world.refused("CreateVersion", creating(made.id, dataSourceIds=["sample"]))
    await world.call("CreateVersion", creating(made.id))

    assert (refused.code, refused.reason) == ("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE")
    assert refused.metadata["dependency"] == "datasources"
