"""A value over 256 KiB through the door: made by one step, used by another, downloaded whole and in parts."""

import asyncio
import hashlib
import json

from tests.system.console import Console

MAKE = "def main() -> dict:\n    return {'text': 'x' * 1_000_000, 'n': 7}\n"
USE = "def main(text: str, n: int) -> list:\n    return [len(text), n]\n"


async def test_a_large_value_is_used_by_steps_and_downloaded_in_parts(admin: Console) -> None:
    make, use = await admin.python(MAKE), await admin.python(USE)
    workflow = await admin.workflow(
        f"""
        name: NAME
        steps:
          - {{id: make, component: {make}}}
          - id: use
            component: {use}
            with: {{text: "${{{{ steps.make.output.text }}}}", n: "${{{{ steps.make.output.n }}}}"}}
        outputs:
          made: "${{{{ steps.make.output }}}}"
          used: "${{{{ steps.use.output }}}}"
        """
    )
    run = await admin.start(workflow["name"])
    async with asyncio.timeout(30):
        while (ended := await admin.run(run))["status"] not in ("SUCCESS", "FAILED"):
            await asyncio.sleep(0.05)

    made = ended["outputs"]["made"]
    path = f"/api/v1/artifacts/{made['$artifact']}"
    whole = await admin.http.get(path)
    part = await admin.http.get(path, headers={"range": "bytes=-10", "if-range": whole.headers["etag"]})
    head = await admin.http.head(path)
    beyond = await admin.http.get(path, headers={"range": "bytes=2000000-"})

    assert ended["outputs"]["used"] == [1_000_000, 7]
    assert json.loads(whole.content) == {"text": "x" * 1_000_000, "n": 7}
    assert hashlib.sha256(whole.content).hexdigest() == made["sha256"] == whole.headers["etag"].strip('"')
    assert (part.status_code, part.content) == (206, whole.content[-10:])
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        200,
        b"",
        str(made["sizeBytes"]),
    )
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{made['sizeBytes']}")
