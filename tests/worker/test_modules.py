"""The npm: and jsr: packages of TypeScript components, from fakes of the two registries."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import deno  # type: ignore[import-untyped]  # ships no types
import pytest

from tests.worker.support.cells import Bench, sandbox
from tests.worker.support.registries import FakeRegistries
from worker.cells.profile import BARE, Profile
from worker.executors.program import BadComponentError
from worker.executors.typescript import modules
from worker.modules import Modules
from worker.store import DependencyError, Store


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistries]:
    """The registries this worker is told to use."""
    one = FakeRegistries()
    monkeypatch.setenv("JSR_URL", f"{one.url}/jsr/")
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"{one.url.replace('//', '//me:password@')}/npm/")
    yield one
    one.close()


@pytest.fixture
def store(tmp_path: Path) -> Modules:
    """Packages below a folder of this test."""
    return Modules(Store(tmp_path / "environments"), Path(deno.find_deno_bin()))


CODE = """
import { hello } from "jsr:@fake/hello@^1";
import { double } from "npm:double@1";
export async function main(inputs: { n: number }) {
  const refused: string[] = [];
  for (const name of ["npm:other@1", "jsr:@fake/other", "https://example.org/x.ts", "double"]) {
    await import(name).catch((error) => refused.push(error.constructor.name));
  }
  for (const path of ["/mcpanel/site/deno.lock", "/etc/hostname"]) {
    await Deno.readTextFile(path).catch((error) => refused.push(error.constructor.name));
  }
  await fetch("http://127.0.0.1:8080/").catch((error) => refused.push(error.constructor.name));
  return { said: hello("you"), double: double(inputs.n), refused };
}
"""


async def test_packages_are_fetched_once_and_run_in_a_cell_that_reaches_nothing(
    fake: FakeRegistries, store: Modules, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    fake.npm(
        "double",
        "1.4.0",
        "if (process.env.HOME) throw new Error('it sees variables');\nexport const double = (n) => n * 2;\n",
        scripts={"postinstall": f"touch {trace}", "preinstall": f"touch {trace}"},
    )
    fake.jsr(
        "@fake/hello",
        "1.2.0",
        {
            "/mod.ts": 'import { up } from "./up.ts";\nexport const hello = (to: string) => up(`hello ${to}`);\n',
            "/up.ts": "export const up = (text: string): string => text.toUpperCase();\n",
        },
    )
    said: list[str] = []

    async with store.use(modules(CODE), said.append) as environment:
        asked = len(fake.asked)
        bench = Bench(sandbox(), Profile("deno", environment=environment, reserves=True))
        output = await bench.output(CODE, {"n": 21})
        await bench.close()
    async with store.use(modules(CODE), said.append) as again:
        pass

    assert output["said"] == "HELLO YOU"
    assert output["double"] == 42
    assert output["refused"] == ["TypeError"] * 4 + ["NotCapable"] * 3
    assert again == environment
    assert len(fake.asked) == asked
    assert said == ["fetching jsr:@fake/hello@^1, npm:double@1", "fetched 2 packages"]
    assert not trace.exists()
    assert environment.site is not None
    lock = json.loads((environment.site / "deno.lock").read_text())
    assert lock["npm"]["double@1.4.0"]["integrity"].startswith("sha512-")
    assert lock["jsr"]["@fake/hello@1.2.0"]["integrity"]


async def test_a_waiting_process_has_loaded_the_packages(fake: FakeRegistries, store: Modules) -> None:
    fake.npm("slow", "1.0.0", "export const loaded = Date.now();\n")
    code = """
import { loaded } from "npm:slow@1";
export function main(inputs: { asked: number }) {
  return loaded < inputs.asked;
}
"""
    async with store.use(modules(code), lambda _: None) as environment:
        bench = Bench(sandbox(), Profile("deno", environment=environment, reserves=True))
        (await bench.ready()).import_ahead(modules(code))
        await bench.output(code, {"asked": 0})
        for _ in range(20):
            await (await bench.ready()).idle()
            await asyncio.sleep(0.3)
            ahead = await bench.output(code, {"asked": time.time() * 1000})
            if ahead:
                break
        await bench.close()

    assert ahead is True


async def test_what_is_not_as_its_registry_says_is_refused_in_denos_words(
    fake: FakeRegistries, store: Modules, tmp_path: Path
) -> None:
    fake.npm("changed", "1.0.0", "export {};", intact=False)
    fake.jsr("@fake/changed", "1.0.0", {"/mod.ts": "export {};"}, intact=False)

    for specifier, word in (
        ("npm:changed@1", "(?s)changed.*checksum"),
        ("jsr:@fake/changed@1", "(?s)Integrity check failed"),
        ("npm:nowhere@1", "nowhere"),
        ("jsr:@fake/nowhere@1", "@fake/nowhere"),
        ("npm:changed@2", "changed"),
    ):
        with pytest.raises(DependencyError, match=word) as caught:
            async with store.use((specifier,), lambda _: None):
                pass
        assert "backtrace" not in str(caught.value)
        assert "password" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)

    assert list((tmp_path / "environments").iterdir()) == []


async def test_without_packages_there_is_nothing_to_fetch(store: Modules) -> None:
    async with store.use((), lambda _: None) as environment:
        assert environment == BARE


def test_imports_of_packages_are_found() -> None:
    code = """
import a from "npm:a";
import { b,
  type C } from 'npm:@scope/b@^1.2/deep/path.js';
export * from "jsr:@std/path@1";
import "npm:/c@1 || 2";
import * as step from "mcpanel:step";
import type { D } from "https://example.org/d.ts";
// import no from "npm:commented";
 * import no from "npm:in-a-comment";
const later = await import("npm:later@~3.1");
const text = "npm:text";
"""

    assert modules(code) == (
        "jsr:@std/path@1",
        "npm:/c@1 || 2",
        "npm:@scope/b@^1.2/deep/path.js",
        "npm:a",
        "npm:later@~3.1",
    )


@pytest.mark.parametrize(
    "specifier",
    [
        "npm:",
        "npm:../x",
        "npm:a@file:/etc/passwd",
        "npm:a@https://example.org/a.tgz",
        "npm:a@git+ssh://x/y",
        "npm:a/../../b",
        "jsr:std",
        "jsr:@std/path?x",
        "npm:a b",
    ],
)
def test_imports_that_are_no_packages_are_refused(specifier: str) -> None:
    with pytest.raises(BadComponentError, match="is not a package of npm or JSR"):
        modules(f'import "{specifier}";')
