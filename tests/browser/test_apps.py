"""A Streamlit app in a real browser, through the edge: opened by a link, and answering when a widget is moved."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Tab
from tests.support.stack import Stack

CODE = """
import streamlit as st
number = st.slider("Number", 1, 10, 3)
st.write(f"its square is {number * number}")
"""
_RUNS = "/api/v1/workflow-runs"


class Apps:
    """Starts apps, and opens them."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def start(self, name: str, code: str = CODE) -> tuple[str, str]:
        """The run of a new app that answers, and its path."""
        run_id, path = self.begin(name, code)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            lines = self._http.get(f"{_RUNS}/{run_id}/logs").raise_for_status().json().get("lines", [])
            if any("the app is running" in line["message"] for line in lines):
                return run_id, path
            time.sleep(0.1)
        raise AssertionError(f"the app did not start: {lines}")

    def begin(self, name: str, code: str = CODE) -> tuple[str, str]:
        """The run of a new app that begins, and its path."""
        files = [{"path": "app.py", "content": code}]
        version = {"version": "1.0.0", "streamlitApp": {"files": files, "mainScriptPath": "app.py"}}
        self._call(
            "/api/v1/mcp-definitions",
            {"definition": {"name": name, "type": "STREAMLIT_APP"}, "initialVersion": version},
        )
        source = f"name: {name}\nsteps:\n  - {{id: show, component: {name}@1}}\n"
        self._call("/api/v1/workflows", {"source": source})
        run_id = str(self._call(_RUNS, {"workflow": name, "inputs": {}})["run"]["id"])
        return run_id, f"/apps/{run_id}/show/"

    def first_address(self, run_id: str) -> str:
        """A link with a ticket, as soon as there is one."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            answer = self._http.post(f"{_RUNS}/{run_id}/steps/show:openApp", json={})
            if answer.status_code == 200:
                return str(answer.json()["url"])
            time.sleep(0.02)
        raise AssertionError(answer.text)

    def address(self, run_id: str) -> str:
        """A link with a ticket."""
        return str(self._call(f"{_RUNS}/{run_id}/steps/show:openApp", {})["url"])

    def _call(self, path: str, body: Any) -> Any:
        answer = self._http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def apps(stack: Stack) -> Iterator[Apps]:
    """The administrator's."""
    admin = {"authorization": f"Bearer {stack.admin_key}"}
    with httpx.Client(base_url=stack.base_url, headers=admin, trust_env=False, timeout=60) as http:
        yield Apps(http)


@pytest.fixture(scope="module")
def square(apps: Apps) -> tuple[str, str]:
    """An app with a slider: its run and its path."""
    return apps.start("square")


def opened(context: BrowserContext, address: str) -> Page:
    """The app's page, once it shows something."""
    page = context.new_page()
    page.goto(address)
    expect(page.get_by_text("its square is 9")).to_be_visible(timeout=60_000)
    return page


def test_a_moved_slider_is_answered(tab: Tab, apps: Apps, square: tuple[str, str]) -> None:
    page = opened(tab.context, apps.address(square[0]))

    page.get_by_role("slider").press("ArrowRight")

    expect(page.get_by_text("its square is 16")).to_be_visible(timeout=30_000)
    assert page.url.endswith(square[1])
    assert "ticket" not in page.url


def test_an_app_that_is_opened_while_it_starts_shows_itself_once_it_answers(tab: Tab, apps: Apps) -> None:
    run_id, path = apps.begin("early")
    page = tab.context.new_page()

    answer = page.goto(apps.first_address(run_id))

    assert answer is not None
    assert answer.status == 503
    expect(page.get_by_text("The app is starting")).to_be_visible()
    expect(page.get_by_text("its square is 9")).to_be_visible(timeout=60_000)
    assert page.url.endswith(path)


def test_an_app_sees_no_cookie_and_reaches_neither_console_nor_another_app(
    tab: Tab, stack: Stack, apps: Apps, square: tuple[str, str]
) -> None:
    tab.log_in()
    other, other_path = apps.start("other")
    opened(tab.context, apps.address(other))
    page = opened(tab.context, apps.address(square[0]))

    seen = page.evaluate(
        """(urls) => Promise.all(urls.map((url) => fetch(url, {credentials: "include"}).then(
            (answer) => answer.status, () => "blocked")))""",
        [f"{stack.base_url}/auth/session", other_path, f"{square[1]}_stcore/health"],
    )

    assert page.evaluate("document.cookie") == ""
    assert seen == ["blocked", "blocked", 200]
    assert page.evaluate(f"window.open('{other_path}')") is None


def test_without_a_ticket_the_page_says_where_to_get_one(
    tab: Tab, apps: Apps, square: tuple[str, str]
) -> None:
    origin = apps.address(square[0]).partition("/apps/")[0]
    page = tab.context.new_page()

    answer = page.goto(origin + square[1])

    assert answer is not None
    assert answer.status == 401
    expect(page.get_by_text("Open the app from the console")).to_be_visible()


def test_only_the_console_shows_an_app_inside_itself(
    tab: Tab, elsewhere: str, apps: Apps, square: tuple[str, str]
) -> None:
    page = tab.context.new_page()
    page.goto(elsewhere)

    page.evaluate(
        "(url) => { const frame = document.createElement('iframe'); frame.src = url; document.body.append(frame); }",
        apps.address(square[0]),
    )
    page.wait_for_timeout(1000)

    assert page.frames[-1].url.startswith("chrome-error:")
