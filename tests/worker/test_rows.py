"""Rows that steps write into tables: how they reach datasources, and what is said of those that cannot."""

import json

import pytest

from chassis import jsonvalue
from mcpanel.datasources.v1 import datasources_pb2 as ds
from mcpanel.registry.v1 import component_pb2
from tests.worker.conftest import Start
from tests.worker.support.engine import Engine, python_version
from worker import sink

PYTHON = """
import mcpanel_step as step
def main():
    def rows():
        for number in range(2500):
            yield {"id": number, "who": "x" * 10}
        yield {"who": None}
    return step.datasource("sample").write("sales.orders", rows(), replace=True)
"""
FAILING = """
import mcpanel_step as step
def main():
    table = step.datasource("sample")
    def broken():
        yield {"id": 1}
        raise KeyError("mine")
    said = []
    for source, rows in ((table, broken()), (table, [{"id": object()}]), (table, [7]), (step.datasource("other"), [])):
        try:
            source.write("orders", rows)
        except Exception as error:
            said.append([type(error).__name__, str(error)])
    return [said, table.write("orders", [{"id": 1}])]
"""
TYPESCRIPT = """
import * as step from "mcpanel:step";
export async function main() {
  const table = step.datasource("sample");
  const rows = Array.from({ length: 1001 }, (_, id) => ({ id, when: null }));
  const count = await table.write("orders", [...rows, { id: -1 }]);
  try {
    await table.write("orders", [{}]);
  } catch (error) {
    return [count, (error as Error).message];
  }
}
"""


def linking(version: component_pb2.Version) -> component_pb2.Version:
    """The version with a data source named sample."""
    version.data_sources.add(id="id-of-sample", name="sample")
    return version


def sent(messages: list[ds.WriteRowsRequest]) -> list[tuple[list[str], int]]:
    """Columns and number of rows of each part, once the stream is as it has to be."""
    assert [one.WhichOneof("item") for one in messages] == ["header", *["rows"] * (len(messages) - 2), "end"]
    return [(list(one.rows.columns), len(one.rows.rows)) for one in messages[1:-1]]


async def test_rows_arrive_in_parts_with_the_runs_token_and_the_steps_key(
    engine: Engine, start: Start
) -> None:
    await start()
    await engine.hears("hello")

    engine.assign(linking(python_version(PYTHON)), data_source_token="token-of-the-run")
    result = (await engine.hears("result"))[0]

    assert result.output_json == b"2501"
    (messages,) = engine.written
    header = messages[0].header
    assert (header.data_source_id, header.table) == ("id-of-sample", "sales.orders")
    assert (header.mode, header.idempotency_key) == (ds.WriteRowsRequest.REPLACE, "r1/s1")
    assert sent(messages) == [
        (["id", "who"], 1000),
        (["id", "who"], 1000),
        (["id", "who"], 500),
        (["who"], 1),
    ]
    assert jsonvalue.from_list(messages[1].rows.rows[7]) == [7, "x" * 10]
    assert engine.tokens == ["Bearer token-of-the-run"]


async def test_rows_that_are_none_are_never_sent_and_the_step_may_go_on(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")

    engine.assign(linking(python_version(FAILING)), data_source_token="token")
    result = (await engine.hears("result"))[0]

    said, count = json.loads(result.output_json)
    assert [kind for kind, _ in said] == ["KeyError", "InvalidOutput", "TypeError", "DataSourceError"]
    assert "row 1 has to be a dict" in said[2][1]
    assert "'other' is not linked" in said[3][1]
    assert (count, len(engine.written)) == (1, 1)


async def test_typescript_writes_rows_too(engine: Engine, start: Start) -> None:
    await start()
    await engine.hears("hello")
    version = component_pb2.Version(id="v1", definition_name="writer", type="TYPESCRIPT_SCRIPT")
    version.typescript_script.code_content = TYPESCRIPT

    engine.assign(linking(version), data_source_token="token")
    result = (await engine.hears("result"))[0]

    assert result.output_json, result.error
    assert result.output_json == b'[1002,"row 1 has to be an object with a value for at least one column"]'
    assert sent(engine.written[0]) == [(["id", "when"], 1000), (["id", "when"], 1), (["id"], 1)]


@pytest.mark.parametrize(("replace", "writes"), [(True, 2), (False, 1)])
async def test_what_may_have_been_written_is_written_again_only_where_that_does_no_harm(
    engine: Engine, start: Start, monkeypatch: pytest.MonkeyPatch, replace: bool, writes: int
) -> None:
    monkeypatch.setattr(sink, "_PATIENCE", 5.0)
    await start()
    await engine.hears("hello")
    engine.away = 1
    code = (
        "import mcpanel_step as step\n"
        f"def main():\n    return step.datasource('sample').write('t', [{{'id': 1}}], replace={replace})\n"
    )

    engine.assign(linking(python_version(code)), data_source_token="token")
    result = (await engine.hears("result"))[0]

    assert len(engine.written) == writes
    assert (result.output_json == b"1") is replace
    assert ("whether its rows were appended is not known" in result.error.message) is not replace
