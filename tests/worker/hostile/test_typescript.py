"""Hostile TypeScript: what Deno refuses in one attempt, and what ends an attempt."""

import json
import re
from typing import Any

import pytest

from tests.worker.hostile.endings import Ending
from tests.worker.hostile.typescript import ENDINGS, REFUSED
from tests.worker.support.cells import Bench, gone, processes_of

HELLO = "export function main() { return 'hello'; }"


@pytest.fixture(scope="module")
async def refusals(shared_deno: Bench, given: dict[str, Any]) -> dict[str, str]:
    """What each refused attack threw, by its name; empty when it threw nothing."""
    attacks = ",\n".join(f"{json.dumps(name)}: async () => {{ {code}; }}" for name, code in REFUSED.items())
    code = f"""
const GIVEN = {json.dumps(given)};
const attacks: Record<string, () => Promise<void>> = {{
{attacks}
}};
export async function main() {{
  const found: Record<string, string> = {{}};
  for (const [name, attack] of Object.entries(attacks)) {{
    try {{
      await attack();
      found[name] = "";
    }} catch (error) {{
      found[name] = String(error);
    }}
  }}
  return found;
}}
"""
    found: dict[str, str] = await shared_deno.output(code)
    return found


@pytest.mark.parametrize("name", REFUSED)
def test_an_attack_is_refused(refusals: dict[str, str], name: str) -> None:
    assert refusals[name] != ""


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
async def test_an_attack_ends_its_attempt_only(typescript: Bench, ending: Ending) -> None:
    cell = await typescript.ready()
    await cell.idle()
    inside = processes_of(cell)

    kind, message, _ = await typescript.failure(
        f"export async function main() {{\n{ending.code}\n}}", timeout=ending.timeout
    )

    assert kind == ending.kind
    assert re.search(ending.message, message), message
    assert not cell.alive
    assert await gone(inside)


async def test_the_attempt_after_them_works(typescript: Bench) -> None:
    assert await typescript.output(HELLO) == "hello"
