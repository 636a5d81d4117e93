"""What costs too much to match at once is matched in a process of its own, which is bounded."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from chassis.jsonschema import Mismatch, Schema, aside

TWICE: dict[str, Any] = {"allOf": [{"properties": {"next": {"$ref": "#"}}}] * 2}
"""Every level of a value is matched twice as often as the one above it."""


async def test_a_value_is_matched_with_its_large_parts_in_their_places() -> None:
    rows = [{"id": number} for number in range(1000)] + [{"id": "last"}]
    with tempfile.TemporaryFile() as file:
        file.write(b"before" + (text := json.dumps(rows).encode()))
        file.flush()
        part = aside.Part(("data", "0"), file.fileno(), (6, 6 + len(text)))
        schema = Schema(
            {
                "properties": {
                    "data": {"prefixItems": [{"items": {"properties": {"id": {"type": "integer"}}}}]}
                }
            }
        )

        found = await aside.mismatch(schema, b'{"data": [null]}', [part])

    assert found == Mismatch(("data", 0, 1000, "id"), "must be an integer, not a string")


async def test_a_value_that_fits_fits() -> None:
    assert await aside.mismatch(Schema({"type": "integer"}), b"3") is None


async def test_what_is_not_known_in_time_is_undecided_and_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(aside, "SECONDS", 1)
    deep: dict[str, object] = {}
    for _ in range(60):
        deep = {"next": deep}
    before = children()

    with pytest.raises(aside.UndecidedError, match="not known after 1 s"):
        await aside.mismatch(Schema(TWICE), json.dumps(deep).encode())

    assert children() == before


def children() -> list[str]:
    """The processes that this one has started and that are there."""
    me = str(os.getpid())
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = status.read_text().rpartition(")")
        except OSError:
            continue
        if rest.split()[1] == me:
            found.append(name)
    return sorted(found)
