"""Tables in real cells: from queries, files and rows, by SELECTs that reach nothing else."""

import io
import json
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from mcpanel.registry.v1.component_pb2 import DataConfig
from registry.component_types import EXAMPLES
from tests.worker.programs.conftest import Open
from tests.worker.support.cells import Bench, Remembering, job

CSV = "city,day,high\nOslo,2024-01-01,-3.5\nOslo,2024-01-02,\nRome,2024-01-01,12\n"


@pytest.fixture
async def data(benches: Open) -> Bench:
    """Runs DATA components."""
    return await benches("data", toolbox="table")


async def output(bench: Bench, config: dict[str, Any], inputs: Any = None) -> Any:
    """The output of a step that succeeds."""
    outcome = await bench.run("", inputs, config=config)
    assert outcome.failure is None, (outcome.failure, bench.sink.lines)
    assert outcome.output_json is not None
    return json.loads(outcome.output_json)


async def test_a_file_becomes_a_table_with_types_a_count_and_a_preview(data: Bench) -> None:
    answer = await output(data, {"file": {"content": CSV}})

    assert answer["columns"] == [
        {"name": "city", "type": "VARCHAR"},
        {"name": "day", "type": "DATE"},
        {"name": "high", "type": "DOUBLE"},
    ]
    assert answer["rows"][1] == {"city": "Oslo", "day": "2024-01-02", "high": None}
    assert (answer["row_count"], answer["truncated"]) == (3, False)
    assert data.sink.previews[-1]["row_count"] == 3
    media, content = data.sink.artifacts["table.parquet"]
    assert media == "application/vnd.apache.parquet"
    assert pyarrow.parquet.read_table(io.BytesIO(content)).num_rows == 3


async def test_the_example_that_forms_show_makes_a_table(data: Bench) -> None:
    config = MessageToDict(ParseDict(EXAMPLES["DATA"], DataConfig()), preserving_proto_field_name=True)

    answer = await output(data, config)

    assert answer["rows"] == [{"day": "2024-07-03", "high": 33.2}, {"day": "2024-07-02", "high": 31.0}]


@pytest.mark.parametrize(
    ("content", "format_"),
    [
        (CSV, ""),
        ('[{"high": 1}, {"high": 2}, {"high": 3}]', ""),
        ('{"high": 1}\n{"high": 2}\n{"high": 3}', "json"),
    ],
)
async def test_csv_and_json_are_read_as_they_come(data: Bench, content: str, format_: str) -> None:
    answer = await output(data, {"file": {"content": content, "format": format_}, "max_rows": 1})

    assert (answer["row_count"], len(answer["rows"]), answer["truncated"]) == (3, 1, True)


async def test_a_select_with_inputs_makes_another_table_of_it(data: Bench) -> None:
    config = {
        "file": {"content": CSV},
        "sql": "SELECT city, max(high) AS high FROM data WHERE city = $city GROUP BY city",
    }

    answer = await output(data, config, {"city": "Rome", "more": 1})

    assert answer["rows"] == [{"city": "Rome", "high": 12.0}]


async def test_rows_and_what_a_data_source_answers_become_tables(data: Bench) -> None:
    rows = [{"a": 1, "b": "x"}, {"a": "two"}, {"b": None, "c": 2.5}]

    given = await output(
        data, {"sql": "SELECT a, count(*) AS n FROM data GROUP BY a ORDER BY a"}, {"rows": rows}
    )
    data.sink.rows = [[1, "one"], [2, "two"]]
    queried = await output(data, {"query": {"data_source": "sample", "sql": "SELECT %(n)s"}}, {"n": 5})

    assert given["rows"] == [{"a": "two", "n": 1}, {"a": 1, "n": 1}, {"a": None, "n": 1}]
    assert queried["rows"] == [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]
    assert data.sink.queries == [("sample", "SELECT %(n)s", {"n": 5}, 100_000)]


MIXED: list[dict[str, Any]] = [
    {"id": 1, "a": 1, "b": {"x": [1]}, "c": [1, "two"], "d": {}, "e": {"k": 1}},
    {"id": 2, "a": 'x"y', "b": "é", "c": [], "d": {}, "e": {"k": "v"}},
    {"id": 3, "a": None, "b": True, "c": [{}], "d": {}, "e": None},
    {"id": 4, "a": 2.5, "b": [], "c": [None], "d": {"": 1}, "e": {"k": [1]}},
]


async def test_values_of_several_kinds_in_one_column_come_out_as_they_were(data: Bench) -> None:
    rows = await output(data, {}, {"rows": MIXED})
    stored = data.sink.artifacts["table.parquet"][1]
    file = await output(data, {"file": {"content": json.dumps(MIXED)}})
    chosen = await output(data, {"sql": "SELECT {'a': [a]} AS n, b FROM data WHERE id = 2"}, {"rows": MIXED})
    sink = Remembering(artifacts={"a1": ("application/vnd.apache.parquet", stored)})
    read = await (await data.ready()).run(
        job("", {"file": "a1"}, config={"file": {"format": "parquet"}}), sink
    )

    assert rows["rows"] == MIXED
    assert {one["name"]: one["type"] for one in rows["columns"]} == {
        "id": "BIGINT",
        **dict.fromkeys("abcde", "any"),
    }
    assert [row["b"] for row in file["rows"]] == [row["b"] for row in MIXED]
    assert chosen["rows"] == [{"n": {"a": ['x"y']}, "b": "é"}]
    again = json.loads(read.output_json or b"")
    assert (again["rows"], again["columns"]) == (MIXED, rows["columns"])


async def test_a_wide_table_of_long_texts_has_a_preview_that_fits(data: Bench) -> None:
    row = {f"a column with a name, number {n}": "long " * 30 for n in range(800)}

    answer = await output(data, {}, {"rows": [row]})

    assert answer["rows"] == [row]
    shown = data.sink.previews[-1]
    assert shown["row_count"] == 1
    assert shown["columns"] == answer["columns"][: len(shown["columns"])]


async def test_objects_come_out_as_objects_whatever_their_fields(data: Bench) -> None:
    rows = [{"a": {}, "b": {str(number): number}} for number in range(300)]

    answer = await output(data, {"file": {"content": json.dumps(rows)}})

    assert answer["rows"] == rows


async def test_json_of_a_data_source_comes_out_as_it_was(data: Bench) -> None:
    data.sink.types = ["jsonb", "json"]
    data.sink.rows = [[{"a": 1}, [1, "x"]], [None, {"b": None}]]

    answer = await output(data, {"query": {"data_source": "sample", "sql": "SELECT 1"}})

    assert [list(row.values()) for row in answer["rows"]] == data.sink.rows


async def test_what_a_data_source_answers_as_text_has_the_type_that_it_says(data: Bench) -> None:
    data.sink.types = ["date", "numeric(10,2)"]
    data.sink.rows = [["2024-02-29", "1.25"], [None, "2.5"]]
    config = {
        "query": {"data_source": "sample", "sql": "SELECT 1"},
        "sql": "SELECT max(month(id)) AS month, sum(name) AS total FROM data",
    }

    answer = await output(data, config)

    assert answer["rows"] == [{"month": 2, "total": 3.75}]


@pytest.mark.parametrize(
    ("types", "rows", "columns"),
    [
        (["numeric(20,2)", "date"], [["12345678901234567.89", "infinity"]], ["VARCHAR", "VARCHAR"]),
        (["double precision", "text"], [], ["DOUBLE", "VARCHAR"]),
        (["integer", "timestamp without time zone"], [[None, None]], ["INTEGER", "TIMESTAMP"]),
    ],
)
async def test_types_are_those_of_the_database_and_what_would_lose_something_stays_text(
    data: Bench, types: list[str], rows: list[list[Any]], columns: list[str]
) -> None:
    data.sink.types, data.sink.rows = types, rows

    answer = await output(data, {"query": {"data_source": "sample", "sql": "SELECT 1"}})

    assert [one["type"] for one in answer["columns"]] == columns
    assert [list(row.values()) for row in answer["rows"]] == rows


@pytest.mark.parametrize(
    ("config", "inputs", "kind", "words"),
    [
        (
            {"file": {}},
            {},
            "INVALID_INPUT",
            "the config's file has no content, and the input 'file' is missing",
        ),
        ({"file": {}}, {"file": "nothing"}, "INVALID_INPUT", "'nothing' cannot be read"),
        ({"file": {"content": "\n \n"}}, {}, "INVALID_INPUT", "the file is empty"),
        ({"file": {"content": '[{"a": 1},'}}, {}, "INVALID_INPUT", "its list has no end; it is cut off"),
        (
            {"file": {"content": 'a,b\n"x,2\n'}},
            {},
            "INVALID_INPUT",
            "line 2 of the CSV file: a quote is opened, and not",
        ),
        (
            {"file": {"content": ",".join(map(str, range(1001)))}},
            {},
            "INVALID_INPUT",
            "has 1,001 columns, more than 1,000",
        ),
        (
            {},
            {"rows": [{str(n): n for n in range(1001)}]},
            "INVALID_INPUT",
            "has 1,001 columns, more than 1,000",
        ),
        (
            {"sql": f"SELECT {', '.join(f'1 AS c{n}' for n in range(1001))}"},
            {"rows": [{"a": 1}]},
            "INVALID_INPUT",
            "has 1,001 columns, more than 1,000",
        ),
        ({"file": {"content": "{", "format": "json"}}, {}, "INVALID_INPUT", "not json that can be read"),
        ({"file": {"content": "not one", "format": "parquet"}}, {}, "INVALID_INPUT", "not parquet"),
        (
            {"file": {"content": "city,temp\nOslo,3\nRome\nBern,4\n"}},
            {},
            "INVALID_INPUT",
            "line 3 of the CSV file has",
        ),
        ({"file": {"content": "a;b\n1;2\n3;4;5\n"}}, {}, "INVALID_INPUT", "line 3 of the CSV file has"),
        ({"file": {"content": CSV}, "sql": "SELECT 'infinity'::DATE AS d"}, {}, "USER_ERROR", "column 'd'"),
        (
            {"file": {"content": CSV}, "sql": "SELECT INTERVAL 3 DAY AS late"},
            {},
            "USER_ERROR",
            "the column 'late' is INTERVAL, which neither JSON nor Parquet has; in `sql` take epoch(\"late\") for its "
            'seconds, or "late"::VARCHAR',
        ),
        (
            {"file": {"content": CSV}, "sql": "SELECT {'late': [INTERVAL 3 DAY]} AS \"A b\""},
            {},
            "USER_ERROR",
            "the column 'A b' is STRUCT(late INTERVAL[]), with INTERVAL, which neither JSON nor Parquet has; in `sql` "
            'take "A b"::VARCHAR',
        ),
        (
            {"file": {"content": CSV}, "sql": "SELECT 2::UHUGEINT ** 127 AS n, 3::UHUGEINT AS u"},
            {},
            "USER_ERROR",
            "the column 'u' is UHUGEINT",
        ),
        (
            {"file": {"content": CSV}, "sql": "SELECT TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS t"},
            {},
            "USER_ERROR",
            "the column 't' (TIMESTAMP_NS) cannot be shown: it has nanoseconds; in `sql` take \"t\"::TIMESTAMP",
        ),
        (
            {"file": {"content": CSV}, "sql": "SELECT 'x' || chr(0) AS t"},
            {},
            "USER_ERROR",
            "the column 't' (VARCHAR) cannot be shown: it holds a NUL character; in `sql` take replace(\"t\",",
        ),
        ({"sql": "SELECT 1"}, {}, "INVALID_INPUT", "the input 'rows' is missing: a list of objects"),
        (
            {"sql": "SELECT 1"},
            {"rows": [{}, 1]},
            "INVALID_INPUT",
            "has to be a list of objects; item 2 is a number",
        ),
        ({"file": {"content": CSV}, "sql": "SELECT nothing FROM data"}, {}, "USER_ERROR", "nothing"),
        ({"file": {"content": CSV}, "sql": "SELECT $city"}, {}, "INVALID_INPUT", "the input 'city'"),
        ({"file": {"content": CSV}, "sql": "DROP TABLE data"}, {}, "USER_ERROR", "one SELECT"),
        ({"file": {"content": CSV}, "sql": "SELECT 1; SELECT 2"}, {}, "USER_ERROR", "one SELECT"),
        (
            {"file": {"content": CSV}, "sql": "SELECT * FROM '/etc/passwd'"},
            {},
            "USER_ERROR",
            "the SQL failed",
        ),
        (
            {"file": {"content": CSV}, "sql": "SELECT * FROM read_text('/mcpanel/programs/place.py')"},
            {},
            "USER_ERROR",
            "the SQL failed",
        ),
        ({"file": {"content": CSV}, "sql": "COPY data TO '/work/x.csv'"}, {}, "USER_ERROR", "one SELECT"),
    ],
)
async def test_what_cannot_be_a_table_is_refused_with_the_reason(
    data: Bench, config: dict[str, Any], inputs: dict[str, Any], kind: str, words: str
) -> None:
    outcome = await data.run("", inputs, config=config)

    assert outcome.failure is not None
    assert outcome.failure.kind == kind
    assert words in outcome.failure.message
