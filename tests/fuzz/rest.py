"""Schemathesis against the OpenAPI document that the stack serves, through the edge."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

from tests.support.stack import Stack

_CONFIG: Final = """
[headers]
authorization = "Bearer ${FUZZ_KEY}"
"""
# Streams without an end: each would wait for its first message.
_ENDLESS: Final = r"stream$|:watch$"


async def run(stack: Stack, folder: Path, seed: int, seconds: float, hang: float) -> tuple[int, str]:
    """Asks every operation for so long: schemathesis' exit code (0: no 5xx, no answer later than `hang`) and report."""
    config = folder / "schemathesis.toml"
    config.write_text(_CONFIG)
    command = [
        Path(sys.executable).with_name("schemathesis"),
        *("--config-file", config, "run", f"{stack.base_url}/openapi.json"),
        *("--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--continue-on-failure"),
        *("--exclude-path-regex", _ENDLESS, "--max-time", str(max(1, round(seconds))), "--seed", str(seed)),
        *("--request-timeout", str(hang), "--workers", "1", "--no-color", "--warnings", "off"),
        *("--suppress-health-check", "all", "--no-shrink"),
    ]
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=folder,
        env={**os.environ, "FUZZ_KEY": stack.admin_key, "NO_PROXY": "*"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode(errors="replace")
