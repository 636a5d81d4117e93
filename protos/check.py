"""Checks the committed descriptor set with buf: its style, and that it breaks nothing of the last release.

Run as `make protos-check`. buf comes as an npm package started by Deno, pinned by `deno.lock`, and is kept in
`.tools`, so only the first check needs the network.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
DESCRIPTORS = "protos/gen/mcpanel/descriptors.binpb"
BUF = "npm:@bufbuild/buf@1.60.0"


def main() -> int:
    """The exit code: 0 when the contracts are in order."""
    code = buf("lint", ROOT.parent / DESCRIPTORS)
    tag = git("describe", "--tags", "--abbrev=0").decode().strip()
    old = git("show", f"{tag}:{DESCRIPTORS}") if tag else b""
    if not old:
        sys.stdout.write("buf breaking: no release to compare with yet\n")
        return code
    with tempfile.NamedTemporaryFile(suffix=".binpb") as file:
        file.write(old)
        file.flush()
        return buf("breaking", ROOT.parent / DESCRIPTORS, "--against", Path(file.name)) or code


def buf(*arguments: str | Path) -> int:
    """Run buf in the folder of its configuration; its exit code."""
    deno = Path(sysconfig.get_path("scripts")) / "deno"
    options = ["run", "--quiet", "--allow-all", f"--lock={ROOT / 'deno.lock'}", "--frozen", BUF]
    kept = {**os.environ, "DENO_DIR": str(ROOT.parent / ".tools" / "deno"), "NO_COLOR": "1"}
    done = subprocess.run([deno, *options, *arguments], cwd=ROOT, env=kept, check=False)
    if done.returncode != 0:
        sys.stdout.write(f"error: buf {arguments[0]} failed, as shown above\n")
    return done.returncode


def git(*arguments: str) -> bytes:
    """What git prints; nothing when it fails."""
    return subprocess.run(["git", *arguments], cwd=ROOT, check=False, capture_output=True).stdout


if __name__ == "__main__":
    sys.exit(main())
