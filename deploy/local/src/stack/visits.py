"""Visits the app that a step of an example's run is, as a browser would: by its ticket, at its own origin."""

import re
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import httpx

from stack.edge import Edge, Json
from stack.errors import StackError

Say = Callable[[str], None]

_STAY_SECONDS: Final = 60.0


def visit(edge: Edge, run_id: str, step_id: str, say: Say, *, leaves: bool) -> None:
    """Opens the app's page and asks after its health. Raises StackError when it does not answer.

    Unless it `leaves` at once it prints a link and stays for a minute, so that somebody can follow it.
    """
    address = urlsplit(_opened(edge, run_id, step_id))
    origin = f"{address.scheme}://{address.netloc}"
    with httpx.Client(base_url=origin, trust_env=False, timeout=30) as browser:
        _asked(browser, f"{address.path}?{address.query}")
        page = _asked(browser, address.path).text
        health = _asked(browser, f"{address.path}_stcore/health").text
        title = re.search("<title>(.*?)</title>", page)
        say(f"  {'':<12}  {step_id:<12}  | {origin}{address.path} serves {len(page):,} bytes, {health}")
        if not title:
            raise StackError(f"{origin}{address.path} is no page")
        if leaves:
            return
        say(f"\nopen the app within half a minute: {_opened(edge, run_id, step_id)}\n")
        end = time.monotonic() + _STAY_SECONDS
        while time.monotonic() < end:
            time.sleep(1)
            _asked(browser, f"{address.path}_stcore/health")


def _opened(edge: Edge, run_id: str, step_id: str) -> str:
    answer: Json = edge.call("POST", f"/api/v1/workflow-runs/{run_id}/steps/{step_id}:openApp", {})
    return str(answer["url"])


def _asked(browser: httpx.Client, path: str) -> httpx.Response:
    try:
        answer = browser.get(path)
    except httpx.HTTPError as error:
        raise StackError(f"the app does not answer: {error or type(error).__name__}") from error
    if answer.is_error:
        raise StackError(f"the app answered {answer.status_code}: {answer.text[:300]}")
    return answer
