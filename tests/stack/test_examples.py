"""Examples are read strictly and loaded once; the run is told in lines for people."""

import subprocess
from pathlib import Path

import psycopg
import pytest

from stack import examples
from stack.edge import Refused, frames
from stack.errors import StackError
from stack.examples import includes, load, load_table, make_table, next_patch
from stack.postgres import Role
from stack.run import commands, describe, seconds
from tests.support.servers import TestPostgres


@pytest.fixture(scope="session")
def sample(postgres: TestPostgres) -> TestPostgres:
    """The session's PostgreSQL with the sample database."""
    postgres.server.ensure(
        [
            Role("sample_loader", owns=("sample",)),
            Role("sample_reader", connects=("sample",)),
            Role("sample_writer", connects=("sample",)),
        ]
    )
    return postgres


def test_every_example_in_the_tree_can_be_read() -> None:
    names = [path.parent.name for path in examples.FOLDER.glob("*/example.yaml")]

    assert "weather" in names
    for name in names:
        example = load(name)
        assert example.workflow_name
        assert all(
            (example.folder / part["file"]).exists()
            for part in (*example.components, *example.tables)
            if "file" in part
        )


@pytest.mark.parametrize("name", ["nothing", "../secrets", "Weather"])
def test_an_unknown_example_names_those_there_are(name: str) -> None:
    with pytest.raises(StackError, match=r"there is no example .*; there is: .*weather"):
        load(name)


def test_a_typo_in_example_yaml_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "example.yaml").write_text("workflow: w.yaml\ncomponets: []\n")

    with pytest.raises(StackError, match="unknown componets"):
        load("mine", tmp_path)


def test_a_table_is_loaded_once_and_again_when_its_file_changed(sample: TestPostgres, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("n,word\n1,one\n2,two\n")
    columns = {"n": "integer", "word": "text"}

    first = load_table(sample.server, "numbers", columns, file)
    second = load_table(sample.server, "numbers", columns, file)
    file.write_text("n,word\n3,three\n")
    third = load_table(sample.server, "numbers", columns, file)

    assert (first, second, third) == ("2 rows loaded", "unchanged", "1 rows loaded")
    with psycopg.connect(sample.server.url("sample_reader", "sample")) as reader:
        assert reader.execute("select n, word from numbers").fetchall() == [(3, "three")]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("delete from numbers")


def test_an_empty_table_is_made_once_for_a_login_that_may_write_there_and_nowhere_else(
    sample: TestPostgres, tmp_path: Path
) -> None:
    file = tmp_path / "kept.csv"
    file.write_text("n\n1\n")
    load_table(sample.server, "kept", {"n": "integer"}, file)

    first = make_table(sample.server, "sums", {"n": "integer not null"})
    with psycopg.connect(sample.server.url("sample_writer", "sample")) as writer:
        writer.execute("insert into written.sums values (1)")
    second = make_table(sample.server, "sums", {"n": "integer not null"})

    assert (first, second) == ("made, empty", "unchanged")
    with psycopg.connect(sample.server.url("sample_writer", "sample")) as writer:
        assert writer.execute("select n from written.sums").fetchall() == [(1,)]
        for refused in ("insert into kept values (2)", "create table written.mine (n int)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), writer.transaction():
                writer.execute(refused)


def test_a_file_with_other_columns_is_refused(sample: TestPostgres, tmp_path: Path) -> None:
    file = tmp_path / "numbers.csv"
    file.write_text("n,wrod\n1,one\n")

    with pytest.raises(StackError, match="its columns are n, wrod, not n, word"):
        load_table(sample.server, "wrong", {"n": "integer", "word": "text"}, file)


def test_the_next_patch_version_follows_the_highest() -> None:
    assert next_patch(["1.2.9", "1.2.10", "1.0.0-rc.1"]) == "1.2.11"
    assert next_patch([]) == "1.0.0"


def test_what_the_server_adds_is_no_change() -> None:
    wanted = {"pythonScript": {"codeContent": "x"}}

    assert includes({"id": "1", "pythonScript": {"codeContent": "x", "timeout": "600s"}}, wanted)
    assert not includes({"pythonScript": {"codeContent": "y"}}, wanted)
    assert not includes({"pythonScript": [1]}, {"pythonScript": [1, 2]})


def test_server_sent_events_are_read_with_their_ids_and_without_comments() -> None:
    text = (
        'retry: 1000\n\nevent: log\nid: 3\ndata: {"a":\ndata: 1}\n\n: live\n\nevent: end\nid: 4\ndata: {}\n\n'
    )

    assert list(frames(iter(text.split("\n")))) == [("log", "3", {"a": 1}), ("end", "4", {})]


@pytest.mark.parametrize(
    ("event", "data", "line"),
    [
        ("log", {"stepId": "a", "message": "hello"}, "| hello"),
        ("status_change", {"stepId": "a", "status": "RUNNING", "attempt": 2}, "RUNNING (attempt 2)"),
        ("status_change", {"status": "FAILED", "error": {"message": "no rows"}}, "FAILED: no rows"),
        ("progress", {"stepId": "a", "fraction": 0.4, "message": "half"}, "| 40% half"),
        (
            "tool_call",
            {"stepId": "a", "tool": "query_x", "status": "ALLOWED", "arguments": {"sql": "ü"}},
            '| → calls query_x {"sql": "ü"}',
        ),
        (
            "tool_call",
            {"tool": "query_x", "status": "ALLOWED", "argumentsOmitted": True},
            "| → calls query_x …",
        ),
        (
            "tool_call",
            {"tool": "rm", "status": "REFUSED", "message": "no such tool"},
            "| ✗ refused rm: no such tool",
        ),
        (
            "tool_call",
            {"tool": "query_x", "status": "SUCCESS", "message": "12 characters"},
            "| ← query_x answered 12 characters",
        ),
        (
            "tool_call",
            {"tool": "query_x", "status": "FAILED", "message": "no column"},
            "| ✗ query_x failed: no column",
        ),
        ("end", {"status": "SUCCESS"}, ""),
    ],
)
def test_an_event_becomes_a_line(event: str, data: dict[str, object], line: str) -> None:
    assert describe(event, {"time": "2026-01-01T10:00:00.123456789Z", **data}).endswith(line)


def test_durations_are_read_from_nanosecond_timestamps() -> None:
    step = {"startedAt": "2026-01-01T10:00:00.123456789Z", "endedAt": "2026-01-01T10:00:01.623456Z"}

    assert seconds(step) == 1.5
    assert seconds({"startedAt": "2026-01-01T10:00:00Z"}) is None


@pytest.mark.parametrize("folder", ["plain", "a space", "it's $HOME `now`"])
def test_the_commands_to_go_on_with_find_the_key_wherever_it_is(tmp_path: Path, folder: str) -> None:
    key = tmp_path / folder / "admin.key"
    key.parent.mkdir()
    key.write_text("mcp_secret\n")
    said = 'said() { printf "%s|" "$@"; echo; }; alias curl=said grpcurl=said\n'

    heading, *lines = commands("http://127.0.0.1:8080", key, "r1", stops=False)
    typed = said + "\n".join(lines)
    done = subprocess.run(["sh", "-c", typed], capture_output=True, text=True, check=True)

    assert heading == "go on with"
    header = "-H|authorization: Bearer mcp_secret|"
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        f"{header}http://127.0.0.1:8080/api/v1/workflow-runs/r1|",
        f"-N|{header}http://127.0.0.1:8080/api/v1/workflow-runs/r1/stream|",
        f'-plaintext|{header}-d|{{"run_id": "r1"}}|127.0.0.1:8080|'
        "mcpanel.engine.v1.EngineService/ListStepExecutions|",
        f"{header}http://127.0.0.1:8080/api/v1/workflow-runs/r1/logs?minLevel=WARNING|",
    ]


def test_the_commands_after_a_stop_say_to_start_first(tmp_path: Path) -> None:
    heading, *_ = commands("http://127.0.0.1:8080", tmp_path / "key", "r1", stops=True)

    assert heading == "go on with, once `make up` has started it again"


def test_a_refusal_shows_the_fields_it_is_about() -> None:
    body = {
        "message": "the workflow is invalid",
        "details": [
            {"reason": "WORKFLOW_INVALID"},
            {"fieldViolations": [{"field": "steps[1].if", "description": "unknown step x"}]},
        ],
    }

    error = Refused("POST /api/v1/workflows", 400, body)

    assert error.reason == "WORKFLOW_INVALID"
    assert str(error).splitlines()[1] == "  steps[1].if: unknown step x"
