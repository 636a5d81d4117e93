"""What docs/audit.md tells people to type, typed: in its order, in one folder, against a stack that runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.stack import Stack
from tests.system.console import Console

ROOT = Path(__file__).parents[2]
EDGE = "http://127.0.0.1:8080"
CUT_OFF = 28
"""What curl ends with when its time (`-m`) is over, as of a stream that has no end."""


async def test_the_commands_of_the_documentation_work(stack: Stack, viewer: Console, tmp_path: Path) -> None:
    commands = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "audit.md").read_text(), re.DOTALL)
    (tmp_path / ".mcpanel").symlink_to(stack.home.path)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    somebody = (await viewer.call("GET", "/auth/me"))["user"]["id"]
    environment = {"PATH": os.environ["PATH"], "KEY": stack.admin_key, "USER_ID": somebody}
    key = stack.home.path / "keys" / "audit.signing.key"
    signing = key.read_bytes()

    try:
        done = [_typed(text.replace(EDGE, stack.base_url), tmp_path, environment) for text in commands]
    finally:
        key.write_bytes(signing)

    failed = [
        (text, one.stdout[-500:], one.stderr[-500:])
        for text, one in zip(commands, done, strict=True)
        if one.returncode != (CUT_OFF if "curl -sN" in text else 0) or '"@type"' in one.stdout
    ]
    assert failed == []
    assert any(one.stdout.startswith("verified: ") for one in done)


def _typed(text: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
