"""The commands that the documentation shows are run as they stand there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import curl
from tests.support.stack import Stack

DOCS = Path(__file__).parents[2] / "docs"
PAGES = ("security.md", "keys.md", "audit.md", "components.md")
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""What begins with ```sh and a word behind it is not run, such as the tests themselves."""
_STRICT = """
set -eu
(set -o pipefail) 2>/dev/null && set -o pipefail
curl() {
  case "$*" in *http_code*) fail= ;; *) fail=--fail-with-body ;; esac
  command curl --max-time 60 --noproxy '*' $fail "$@" ||
    case "$? $* " in "28 "*" -m "*) ;; *) return 22 ;; esac
}
"""
"""What is refused fails; what follows something without an end may be cut off by its own `-m`."""


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_do_what_they_say(stack: Stack, tmp_path: Path, page: str) -> None:
    blocks = _BLOCK.findall((DOCS / page).read_text())
    assert blocks
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / ".mcpanel").symlink_to(stack.home.path)
    script = "\n".join([_STRICT, *blocks]).replace("http://127.0.0.1:8080", stack.base_url)
    script = script.replace(" -m 5 ", " -m 1 ")

    path = os.environ["PATH"]
    if shutil.which("curl") is None:
        path = f"{curl.install(tmp_path).parent}:{path}"

    done = subprocess.run(
        [shutil.which("bash") or "sh", "-c", script],
        cwd=tmp_path,
        env={"PATH": path, "MCPANEL_ENV_FILE": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
