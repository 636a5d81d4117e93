"""TypeScript components on Deno."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.worker.support.cells import Bench
from worker import steplib
from worker.cells.bubblewrap import Sandbox
from worker.cells.profile import DENO


async def test_main_gets_one_object_of_inputs_and_may_be_async(typescript: Bench) -> None:
    code = """
interface Inputs { city: string; days?: number }
export async function main({ city, days = 3 }: Inputs): Promise<{ text: string }> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return { text: `${city} ${days}` };
}
"""

    assert await typescript.output(code, {"city": "Oslo"}) == {"text": "Oslo 3"}


async def test_the_step_library_speaks_for_the_step(typescript: Bench) -> None:
    code = """
import * as step from "mcpanel:step";
export async function main() {
  console.log("first");
  step.log.warning("second", { rows: 3 });
  console.error("third");
  step.progress(0.25, "a quarter");
  step.preview({ rows: 3 });
  await Deno.writeTextFile("/work/chart.svg", "<svg/>");
  const stored = await Promise.all([
    step.artifact("chart.svg", { path: "/work/chart.svg" }),
    step.artifact("big.bin", new Uint8Array(1_000_000)),
  ]);
  const rows = await step.datasource("sample").query("SELECT 1", [1], { maxRows: 2 });
  const { runId, stepId, attempt, epoch, idempotencyKey } = step.context;
  return { rows: [...rows], more: rows.truncated, context: [runId, stepId, attempt, epoch, idempotencyKey],
    sizes: stored.map((a) => a.size) };
}
"""
    typescript.sink.rows = [[2, "b"], [3, "c"], [4, "d"]]

    output = await typescript.output(code)

    assert output == {
        "rows": [{"id": 2, "name": "b"}, {"id": 3, "name": "c"}],
        "more": True,
        "context": ["r1", "s1", 2, 3, "r1/s1"],
        "sizes": [6, 1_000_000],
    }
    assert typescript.sink.text("stdout") == "first"
    assert typescript.sink.text("log") == "second rows=3"
    assert typescript.sink.text("stderr") == "third"
    assert typescript.sink.progressed == [(0.25, "a quarter")]
    assert typescript.sink.previews == [{"rows": 3}]
    assert typescript.sink.artifacts["chart.svg"] == ("image/svg+xml", b"<svg/>")


async def test_a_file_of_the_run_is_read_back_whole_and_a_missing_one_is_named(typescript: Bench) -> None:
    code = """
import * as step from "mcpanel:step";
export async function main() {
  await step.artifact("big.bin", new Uint8Array(1_000_000).fill(7));
  const content = await step.readArtifact("big.bin");
  const refusal = await step.readArtifact({ artifact_id: "other" }).catch((error) => `${error}`);
  return [content.length, content.every((byte) => byte === 7), refusal];
}
"""

    size, same, refusal = await typescript.output(code)

    assert (size, same) == (1_000_000, True)
    assert "'other' cannot be read" in refusal


async def test_an_error_shows_the_components_own_lines(typescript: Bench) -> None:
    code = (
        "function f(): never {\n  throw new RangeError('too far');\n}\nexport function main() {\n  f();\n}\n"
    )

    kind, message, traceback = await typescript.failure(code)

    assert (kind, message) == ("USER_ERROR", "RangeError: too far")
    assert "sample.ts:2:9" in traceback
    assert "sample.ts:5:3" in traceback
    assert "bootstrap" not in traceback
    assert "file://" not in traceback


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("export function main() { return { a: [NaN] } }", "INVALID_OUTPUT", "output.a[0] is NaN"),
        ("export function main() { return 'a\\0b' }", "INVALID_OUTPUT", "output holds a NUL character"),
        ("export function main() { return new Map() }", "INVALID_OUTPUT", "output is a Map"),
        ("export function main() { return 10n }", "INVALID_OUTPUT", "output is a bigint"),
        ("export function main() { return 'x'.repeat(300000) }", "INVALID_OUTPUT", "output is 300,002 bytes"),
        ("export const x = 1;", "USER_ERROR", "TypeError: sample.ts must export a function"),
        (
            "export async function main() { await new Promise(() => {}); }",
            "USER_ERROR",
            "main() awaits a promise that can never resolve",
        ),
        (
            "await new Promise(() => {});\nexport function main() {}",
            "USER_ERROR",
            "the script awaits a promise that can never resolve",
        ),
        (
            "export function main() { setTimeout(() => { throw new Error('late') }); return new Promise(() => {}) }",
            "USER_ERROR",
            "Error: late",
        ),
        ("import x from 'https://example.org/x.ts';\nexport function main() {}", "USER_ERROR", "TypeError"),
        ("export function main() { Deno.exit(3) }", "USER_ERROR", "the step's process ended with status 3"),
    ],
)
async def test_what_goes_wrong_is_named(typescript: Bench, code: str, kind: str, message: str) -> None:
    found = await typescript.failure(code)

    assert found[0] == kind
    assert found[1].startswith(message)


async def test_an_output_that_is_nested_too_deeply_says_how_deep_it_may_be(typescript: Bench) -> None:
    code = "export function main() { let x: unknown = 1; for (let n = 0; n < 200; n++) x = [x]; return x }"

    kind, message, _ = await typescript.failure(code)

    assert kind == "INVALID_OUTPUT"
    assert message.endswith("; an output of 256 KiB or less may be nested 30 levels deep")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "interface A {}\nexport function main() {\n  const x = ;\n}\n",
            "SyntaxError: Expression expected (sample.ts, line 3, column 13)",
        ),
        (
            "interface A {}\n\nexport function main() {\n  const a: A = {}; let a = 2;\n}\n",
            "SyntaxError: Identifier 'a' has already been declared (sample.ts, line 4, column 24)",
        ),
        (
            "import lodash from 'npm:lodash';\nexport function main() {}\n",
            "TypeError: npm specifiers were requested; but --no-npm is specified (sample.ts, line 1, column 20)",
        ),
    ],
)
async def test_a_module_that_cannot_be_loaded_says_line_and_column(
    typescript: Bench, code: str, message: str
) -> None:
    kind, found, traceback = await typescript.failure(code)

    assert (kind, found) == ("USER_ERROR", message)
    assert traceback.count("sample.ts:") == 1


async def test_a_component_has_no_permission_but_its_work_folder(typescript: Bench) -> None:
    code = """
async function refused(work: () => unknown): Promise<boolean> {
  try { await work(); return false; } catch (error) { return String(error).includes("NotCapable"); }
}
export async function main() {
  return [
    await refused(() => fetch("http://127.0.0.1:8080")),
    await refused(() => Deno.connect({ hostname: "169.254.169.254", port: 80 })),
    await refused(() => new Deno.Command("/bin/sh").outputSync()),
    await refused(() => Deno.env.get("PATH")),
    await refused(() => Deno.readTextFileSync("/etc/passwd")),
    await refused(() => Deno.writeTextFileSync("/tmp/x", "x")),
    await refused(() => Deno.dlopen("/lib/x86_64-linux-gnu/libc.so.6", {})),
  ];
}
"""

    assert await typescript.output(code) == [True] * 7


async def test_the_next_attempt_runs_in_a_fresh_process(typescript: Bench) -> None:
    code = """
export function main() {
  const seen = (globalThis as any).seen ?? false;
  (globalThis as any).seen = true;
  const files = [...Deno.readDirSync("/work")].length;
  Deno.writeTextFileSync("/work/left", "x");
  return [seen, files];
}
"""

    assert await typescript.output(code) == [False, 0]
    assert await typescript.output(code) == [False, 0]


async def test_a_loop_without_end_is_killed_at_its_timeout(typescript: Bench) -> None:
    kind, message, _ = await typescript.failure("export function main() { for (;;); }", timeout=0.5)

    assert (kind, message) == ("TIMED_OUT", "the step ran longer than 0.5 s and was killed")


async def test_too_much_memory_is_an_outcome_of_its_own(typescript: Bench) -> None:
    code = "export function main() { const all = []; for (;;) all.push(new Array(1e5).fill(1.5)); }"

    kind, _, _ = await typescript.failure(code)

    assert kind == "OUT_OF_MEMORY"


async def test_a_file_that_cannot_be_read_is_no_artifact_and_the_next_one_is(typescript: Bench) -> None:
    code = """
import * as step from "mcpanel:step";
export async function main() {
  const missing = await step.artifact("a.txt", { path: "/work/none.txt" }).catch((error) => error.constructor.name);
  await Deno.writeFile("/work/big.yaml", new Uint8Array(600_000));
  const stored = await step.artifact("big.yaml", { path: "/work/big.yaml" });
  step.log.info("stored", { sizes: [stored.size], what: { a: 1 } });
  return [missing, stored.size];
}
"""

    assert await typescript.output(code) == ["NotFound", 600_000]
    assert {name: kind for name, (kind, _) in typescript.sink.artifacts.items()} == {
        "big.yaml": "application/yaml"
    }
    assert typescript.sink.text("log") == "stored sizes=[ 600000 ] what={ a: 1 }"


async def test_a_step_that_listens_puts_its_things_in_order_when_it_is_cancelled(box: Sandbox) -> None:
    code = """
import * as step from "mcpanel:step";
export async function main() {
  const stopped = new Promise<string>((resolve) => {
    step.cancelled().addEventListener("abort", () => resolve(step.cancelled().reason.message));
  });
  step.log.info("ready");
  step.log.info(`in order: ${await Promise.race([stopped, new Promise((done) => setTimeout(done, 60_000))])}`);
}
"""
    bench = Bench(box, DENO)
    running = asyncio.create_task(bench.run(code))
    while "ready" not in bench.sink.text("log"):
        await asyncio.sleep(0.02)
    assert bench.cell is not None
    bench.cell.cancel()
    outcome = await running
    await bench.close()

    assert outcome.failure is not None
    assert outcome.failure.kind == "CANCELLED"
    assert bench.sink.text("log") == "ready\nin order: the step was cancelled"


async def test_a_signal_alone_keeps_no_step_alive(typescript: Bench) -> None:
    code = """
import * as step from "mcpanel:step";
export async function main() {
  await new Promise((resolve) => step.cancelled().addEventListener("abort", resolve));
}
"""

    kind, message, _ = await typescript.failure(code)

    assert kind == "USER_ERROR"
    assert "can never resolve" in message


def test_both_step_libraries_know_the_same_media_types() -> None:
    folder = Path(steplib.__file__).parent
    tables = []
    for name in ("mcpanel_step.py", "mcpanel_step.ts"):
        found = re.search(r"MEDIA_TYPES[^{]*\{\n(.*?)\n\}", (folder / name).read_text(), re.DOTALL)
        assert found is not None
        tables.append(dict(re.findall(r'"?(\w+)"?: "([^"]+)"', found[1])))

    assert tables[0] == tables[1]
    assert tables[0]["parquet"] == "application/vnd.apache.parquet"
