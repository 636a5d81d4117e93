"""Configs that take long to check."""

import asyncio

import pytest

from chassis.errors import Exhausted
from registry import configs
from registry.inspection import Inspector

LONG = "def main(city: str) -> int:\n    return 1\n" + "x = 1\n" * 4000


async def test_a_long_script_is_read_elsewhere_with_the_same_result() -> None:
    broken = LONG + "x = (\n"

    found = await Inspector().check("python_script", {"code_content": LONG})
    refused = await Inspector().check("python_script", {"code_content": broken, "requirements": "-r x"})

    assert found == configs.check("python_script", {"code_content": LONG})
    assert found.signature.output_schema is not None
    assert refused == configs.check("python_script", {"code_content": broken, "requirements": "-r x"})
    assert len(refused.problems) == 2


async def test_a_script_that_takes_too_long_is_refused() -> None:
    found = await Inspector(seconds=0.001).check("python_script", {"code_content": LONG})

    assert [one.field for one in found.problems] == ["code_content"]
    assert "make it shorter" in found.problems[0].message


async def test_typescript_that_takes_too_long_to_read_is_kept_without_schemas() -> None:
    script = "export function main(inputs: { city: string }): number { return 1; }\n"
    long = {"code_content": script + "// more\n" * 4000}

    read = await Inspector().check("typescript_script", long)
    unread = await Inspector(seconds=0.001).check("typescript_script", long)

    assert read.signature == configs.check("typescript_script", {"code_content": script}).signature
    assert read.signature.input_schema is not None
    assert unread == configs.Checked(())


async def test_a_script_of_too_much_at_once_is_refused_at_the_queue() -> None:
    inspector = Inspector(seconds=0.001)

    answers = await asyncio.gather(
        *(inspector.check("python_script", {"code_content": LONG}) for _ in range(18)),
        return_exceptions=True,
    )

    refused = [one for one in answers if isinstance(one, Exhausted)]
    assert [one.reason for one in refused] == ["TOO_MANY_REQUESTS"] * 2


@pytest.mark.parametrize("kind", ["data", ""])
async def test_without_a_config_there_is_nothing_to_check(kind: str) -> None:
    assert await Inspector().check(kind, None) == configs.Checked(())
