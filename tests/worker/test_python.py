"""Python components: how they are called, what they may return, and what their authors are told."""

import asyncio

import pytest

from tests.worker.support.cells import Bench


async def test_main_gets_its_inputs_by_name_and_its_return_value_is_the_output(python: Bench) -> None:
    code = "def main(city: str, days: int = 3, *, unit: str = 'C'):\n    return {'text': f'{city} {days} {unit}'}"

    output = await python.output(code, {"city": "Oslo", "unit": "F"})

    assert output == {"text": "Oslo 3 F"}


async def test_a_script_without_main_reads_inputs_and_sets_outputs(python: Bench) -> None:
    code = "if __name__ == '__main__':\n    outputs = {'double': inputs['n'] * 2}"

    assert await python.output(code, {"n": 21}) == {"double": 42}


@pytest.mark.parametrize(
    "code",
    [
        "import sys\nif sys.version_info >= (3, 8):\n    def main(n: int): return n * 2",
        "try:\n    from nowhere import main\nexcept ImportError:\n    def main(n: int): return n * 2",
        "import io\nwith io.StringIO():\n    async def main(n: int): return n * 2",
        "if __name__ == '__main__':\n    outputs = 0\nelse:\n    main = lambda n: n * 2",
        "import dataclasses\n@dataclasses.dataclass\nclass main:\n    n: int\n    def __post_init__(self): self.n *= 2",
    ],
    ids=["if", "try", "with", "else", "class"],
)
async def test_a_main_that_stands_under_a_condition_or_is_a_class_is_called(python: Bench, code: str) -> None:
    assert await python.output(code, {"n": 21}) in (42, {"n": 42})


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("if not inputs_known:\n    def main(): return 1", "NameError: main is not defined: its definition"),
        (
            "try:\n    from nowhere import main\nexcept ImportError:\n    main = None",
            "TypeError: main is no func",
        ),
    ],
)
async def test_a_main_that_is_not_there_in_the_end_is_told(python: Bench, code: str, message: str) -> None:
    kind, text, _ = await python.failure(f"inputs_known = True\n{code}")

    assert kind == "USER_ERROR"
    assert text.startswith(message)


async def test_a_guarded_main_stays_the_scripts_own(python: Bench) -> None:
    code = "if __name__ == '__main__':\n    def main(): return inputs['n'] * 2\n    outputs = main()"

    assert await python.output(code, {"n": 21}) == 42


async def test_a_coroutine_main_is_awaited(python: Bench) -> None:
    code = "import asyncio\nasync def main():\n    await asyncio.sleep(0.01)\n    return 'later'"

    assert await python.output(code) == "later"


async def test_a_main_guard_does_not_run_a_component_twice(python: Bench) -> None:
    code = "def main():\n    print('ran')\n    return 1\nif __name__ == '__main__':\n    main()"

    await python.output(code)

    assert python.sink.text() == "ran"


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("city", {}, "main() needs the input 'city', which was not given (given: none)"),
        ("city", {"city": 1, "town": 2}, "main() takes no input named 'town' (it takes: city)"),
        ("n: int", {"n": "1"}, "the input 'n' of main() must be an integer, not a string"),
        ("n: int", {"n": 1.5}, "the input 'n' of main() must be an integer, not a number"),
        (
            "rows: list[dict[str, float]]",
            {"rows": [{"a": 1}, {"a": "x"}]},
            "the input 'rows[1].a' of main() must be",
        ),
        (
            "day: 'datetime.date'",
            {"day": "yesterday"},
            "the input 'day' of main() must be a date (YYYY-MM-DD)",
        ),
    ],
)
async def test_inputs_that_do_not_fit_are_named(
    python: Bench, signature: str, inputs: dict[str, object], message: str
) -> None:
    kind, text, _ = await python.failure(f"import datetime\ndef main({signature}):\n    return 1", inputs)

    assert kind == "BAD_INPUT"
    assert text.startswith(message)


async def test_inputs_become_what_the_hints_say(python: Bench) -> None:
    code = """
import dataclasses, datetime, decimal

@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.5

def main(n: int, f: float, at: datetime.datetime, price: decimal.Decimal, points: list[Point], note: str | None = None):
    assert type(n) is int and type(f) is float and isinstance(at, datetime.datetime)
    return {"point": points[0], "price": price + 1, "at": at.date(), "note": note}
"""
    inputs = {"n": 3.0, "f": 2, "at": "2024-02-29T12:00:00Z", "price": "1.50", "points": [{"x": 1}]}

    output = await python.output(code, inputs)

    assert output == {"point": {"x": 1.0, "y": 0.5}, "price": "2.50", "at": "2024-02-29", "note": None}


async def test_a_generic_dataclass_is_made_with_its_type_arguments(python: Bench) -> None:
    code = """
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

@dataclass
class Box(Generic[T]):
    v: T

def main(box: Box[int], boxes: list[Box[str]]):
    return [type(box).__name__, box.v + 1, boxes[0].v]
"""

    output = await python.output(code, {"box": {"v": 1.0}, "boxes": [{"v": "x"}]})
    kind, message, _ = await python.failure(code, {"box": {"v": 1}, "boxes": [{"v": 2}]})

    assert output == ["Box", 2, "x"]
    assert (kind, message) == (
        "BAD_INPUT",
        "the input 'boxes[0].v' of main() must be a string, not an integer",
    )


async def test_the_traceback_shows_only_the_components_own_lines(python: Bench) -> None:
    code = "import json\n\ndef main():\n    return helper()\n\ndef helper():\n    return json.loads('{bad')\n"

    kind, message, traceback = await python.failure(code)

    assert kind == "USER_ERROR"
    assert message.startswith("json.decoder.JSONDecodeError: Expecting property name")
    assert 'File "sample.py", line 4, in main' in traceback
    assert 'File "sample.py", line 7, in helper' in traceback
    assert "return json.loads('{bad')" in traceback
    assert "/" not in traceback.replace("line 1 column 2", "")


async def test_a_syntax_error_names_its_line(python: Bench) -> None:
    kind, message, traceback = await python.failure("def main():\n    return (1\n")

    assert kind == "USER_ERROR"
    assert message.startswith("SyntaxError")
    assert 'File "sample.py", line 2' in traceback


async def test_a_note_joins_the_traceback_and_leaves_the_message_alone(python: Bench) -> None:
    code = """
def main():
    error = ValueError("no such station")
    error.add_note("stations are listed in\\nstations.csv")
    raise error
"""

    kind, message, traceback = await python.failure(code)

    assert (kind, message) == ("USER_ERROR", "ValueError: no such station")
    assert traceback.endswith("ValueError: no such station\nstations are listed in\nstations.csv\n")


async def test_causes_are_shown_with_the_components_own_lines(python: Bench) -> None:
    code = "def main():\n  try:\n    1 / 0\n  except ZeroDivisionError as e:\n    raise KeyError('x') from e"

    _, message, traceback = await python.failure(code)

    assert message == "KeyError: 'x'"
    assert "ZeroDivisionError: division by zero" in traceback
    assert "direct cause" in traceback


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("float('nan')", "output is nan, which JSON cannot hold"),
        ("{'a': [1, float('inf')]}", "output.a[1] is inf, which JSON cannot hold"),
        ("{'a': {'b': 'x\\0y'}}", "output.a.b holds a NUL character"),
        ("{1: 'x'}", "output has the key 1 of type int; JSON keys are strings"),
        ("{'when': object()}", "output.when is a builtins.object, which is not JSON"),
        ("b'123'", "output is bytes; store it with step.artifact(name, data)"),
        ("2**53 + 1", "output is 9007199254740993, beyond 2^53; return it as a string"),
        ("'x' * 300_000", "output is 300,002 bytes of JSON, over the limit of 262,144"),
        ("'\\ud800'", "output holds a lone surrogate"),
        ("(lambda l: (l.append(l), l)[1])([])", "output[0]"),
        ("(x for x in [1])", "output is a builtins.generator, which is not JSON"),
    ],
)
async def test_a_result_that_is_not_json_is_refused_with_its_place(
    python: Bench, expression: str, message: str
) -> None:
    kind, text, _ = await python.failure(f"def main():\n    return {expression}")

    assert kind == "INVALID_OUTPUT"
    assert text.startswith(message)


async def test_a_result_of_160_kb_passes(python: Bench) -> None:
    output = await python.output("def main(data):\n    return data", {"data": "x" * 160_000})

    assert len(output) == 160_000


async def test_exit_codes_are_outcomes(python: Bench) -> None:
    assert await python.output("import sys\noutputs = 5\nsys.exit(0)") == 5
    assert (await python.failure("import sys\nsys.exit(3)"))[1] == "the script exited with status 3"
    assert "ended with status 4" in (await python.failure("import os\nos._exit(4)"))[1]
    assert "SIGSEGV" in (await python.failure("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"))[1]


async def test_the_step_library_speaks_for_the_step(python: Bench) -> None:
    code = """
import mcpanel_step as step

def main():
    print("first")
    step.log.warning("second", rows=3)
    print("third")
    step.progress(0.25, "a quarter")
    step.preview({"rows": 3})
    with open("/work/report.md", "w") as file:
        file.write("# Report")
    stored = [step.artifact("report.md", "/work/report.md"), step.artifact("big.bin", bytes(1_000_000))]
    rows = step.datasource("sample").query("SELECT * FROM t WHERE id > %s", [1], max_rows=2)
    context = [step.context.run_id, step.context.step_id, step.context.attempt, step.context.epoch]
    return {"rows": rows, "more": rows.truncated, "context": context, "key": step.context.idempotency_key,
            "sizes": [a["size"] for a in stored]}
"""
    python.sink.rows = [[2, "b"], [3, "c"], [4, "d"]]

    output = await python.output(code)

    assert output == {
        "rows": [{"id": 2, "name": "b"}, {"id": 3, "name": "c"}],
        "more": True,
        "context": ["r1", "s1", 2, 3],
        "key": "r1/s1",
        "sizes": [8, 1_000_000],
    }
    assert [line[2] for line in python.sink.lines] == ["first", "second rows=3", "third"]
    assert python.sink.lines[1][:2] == ("log", "WARNING")
    assert python.sink.progressed == [(0.25, "a quarter")]
    assert python.sink.previews == [{"rows": 3}]
    assert python.sink.artifacts["report.md"] == ("text/markdown", b"# Report")
    assert python.sink.queries == [("sample", "SELECT * FROM t WHERE id > %s", [1], 2)]


async def test_a_refused_request_is_an_exception_the_step_can_catch(python: Bench) -> None:
    code = """
import mcpanel_step as step

def main():
    said = []
    for work in (lambda: step.datasource("x").query("SELECT 1"), lambda: step.artifact("a", bytes(3_000_000))):
        try:
            work()
        except step.StepError as error:
            said.append(str(error))
    return said
"""
    python.sink.refuse = "not linked"

    assert await python.output(code) == ["not linked", "not linked"]


async def test_columns_of_the_same_name_are_refused_rather_than_lost(python: Bench) -> None:
    code = """
import mcpanel_step as step

def main():
    try:
        step.datasource("sample").query("SELECT 1")
    except step.DataSourceError as error:
        return [str(error), step.read_artifact(step.artifact("a", b"x")["name"]).decode()]
"""
    python.sink.rows, python.sink.names = [[1, 2]], ["id", "id"]

    message, after = await python.output(code)

    assert "several columns named 'id'" in message
    assert after == "x"


async def test_an_artifact_that_cannot_be_read_leaves_the_connection_usable(python: Bench) -> None:
    code = """
import mcpanel_step as step

def main():
    try:
        step.artifact("a", "/nowhere")
    except FileNotFoundError:
        step.artifact("b", b"x")
    return 1
"""

    assert await python.output(code) == 1
    assert set(python.sink.artifacts) == {"b"}


async def test_a_file_of_the_run_is_read_back_whole_and_a_missing_one_is_named(python: Bench) -> None:
    code = """
import mcpanel_step as step

def main():
    step.artifact("big.bin", bytes(range(256)) * 4000)
    content = step.read_artifact({"artifact_id": "big.bin"})
    try:
        step.read_artifact("other")
    except step.StepError as error:
        return [content == bytes(range(256)) * 4000, str(error)]
"""

    whole, refusal = await python.output(code)

    assert whole
    assert "'other' cannot be read" in refusal


async def test_threads_and_exit_handlers_end_as_in_a_script(python: Bench) -> None:
    code = """
import atexit, threading, time

def late():
    time.sleep(0.1)
    print("thread")

def main():
    atexit.register(print, "exit handler")
    threading.Thread(target=late).start()
    return 1
"""

    await python.output(code)

    assert python.sink.text() == "thread\nexit handler"


async def test_the_processes_of_a_step_share_memory_through_files(python: Bench) -> None:
    code = """
from multiprocessing import Array, Pipe, Process, Queue, shared_memory

def work(block, array, results, answer):
    array[99_999] = 2.5
    same = shared_memory.SharedMemory(name=block)
    same.buf[0] = 7
    results.put("put")
    answer.send("sent")

def main():
    array, results, (one, other) = Array("d", 100_000), Queue(), Pipe()
    block = shared_memory.SharedMemory(create=True, size=1 << 20)
    process = Process(target=work, args=(block.name, array, results, other))
    process.start()
    found = [results.get(), one.recv()]
    process.join()
    found += [array[99_999], block.buf[0]]
    block.close()
    block.unlink()
    return found
"""

    assert await python.output(code) == ["put", "sent", 2.5, 7]


async def test_cancel_lets_finally_blocks_run(python: Bench) -> None:
    code = """
import time
def main():
    try:
        print("begun")
        time.sleep(60)
    finally:
        print("ended")
"""
    cell = await python.ready()
    running = asyncio.create_task(python.run(code))
    while "begun" not in python.sink.text():
        await asyncio.sleep(0.01)

    cell.cancel()
    outcome = await running

    assert outcome.failure is not None
    assert outcome.failure.kind == "CANCELLED"
    assert python.sink.text() == "begun\nended"
    assert not cell.alive


async def test_a_cell_keeps_nothing_from_one_attempt_to_the_next(python: Bench) -> None:
    leave = """
import json, os, sys
def main():
    json.mark = 1
    os.environ["MARK"] = "1"
    for folder in ("/work", "/tmp", "/dev/shm"):
        os.makedirs(f"{folder}/a/b")
        open(f"{folder}/a/b/c", "w").write("x")
        os.symlink("/etc", f"{folder}/link")
        os.chmod(f"{folder}/a", 0)
    return os.getpid()
"""
    look = """
import json, os
def main():
    left = [os.listdir(folder) for folder in ("/work", "/tmp", "/dev/shm")]
    return {"left": left, "mark": hasattr(json, "mark"), "env": os.environ.get("MARK"), "cwd": os.getcwd()}
"""
    cell = await python.ready()
    await python.output(leave)

    found = await python.output(look)

    assert python.cell is cell
    assert found == {"left": [[], [], []], "mark": False, "env": None, "cwd": "/work"}


async def test_modules_a_component_imports_are_loaded_ahead_the_next_time(python: Bench) -> None:
    code = "import sys\nloaded = 'fractions' in sys.modules\nimport fractions\ndef main():\n    return loaded"

    seen = [await python.output(code) for _ in range(3)]

    assert (seen[0], seen[2]) == (False, True)
