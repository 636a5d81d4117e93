"""Logging in at a real browser on http://127.0.0.1: the cookie, the streams, and what other sites' pages can do."""

import pytest

from tests.browser.conftest import Tab
from tests.support.stack import Stack


def test_the_browser_keeps_the_cookie_and_shows_it_to_no_script(tab: Tab) -> None:
    tab.log_in()

    cookie = tab.cookie()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Lax")
    assert tab.page.evaluate("document.cookie") == ""
    assert tab.fetch("GET", "/auth/session") == 200
    assert tab.fetch("GET", "/api/v1/workflow-runs") == 200


def test_a_planted_cookie_is_replaced_by_the_login(tab: Tab, stack: Stack) -> None:
    planted = "mcp_s_" + "0" * 43
    tab.context.add_cookies(
        [{"name": "__Host-mcpanel", "value": planted, "url": f"https://{stack.address}/", "secure": True}]
    )
    assert tab.fetch("GET", "/auth/session") == 401

    tab.log_in()

    assert tab.cookie()["value"] != planted
    assert tab.fetch("GET", "/auth/session") == 200


def test_streams_go_by_the_cookie_until_the_logout(tab: Tab) -> None:
    tab.log_in()
    before = tab.stream("/api/v1/workflow-runs/stream")

    assert tab.fetch("DELETE", "/auth/session") == 204

    assert tab.context.cookies() == []
    assert (before, tab.stream("/api/v1/workflow-runs/stream")) == ("live", "closed")


def test_a_stream_goes_by_a_ticket_once(tab: Tab) -> None:
    ticket = tab.page.evaluate(
        """async (token) => (await (await fetch("/api/v1/stream-tickets", {
            method: "POST", headers: {"content-type": "application/json", authorization: `Bearer ${token}`},
            body: "{}",
        })).json()).ticket""",
        tab.person.token,
    )

    opened = [tab.stream(f"/api/v1/workflow-runs/stream?ticket={ticket}") for _ in range(2)]

    assert opened == ["live", "closed"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/auth/logout"), ("POST", "/auth/session"), ("GET", "/auth/session"), ("GET", "/users/me")],
)
def test_a_page_of_another_site_gets_nothing_with_the_cookie(
    tab: Tab, stack: Stack, elsewhere: str, method: str, path: str
) -> None:
    tab.log_in()
    other = tab.context.new_page()
    other.goto(elsewhere)

    seen = other.evaluate(
        """([url, method]) => fetch(url, {
            method, mode: "no-cors", credentials: "include", body: method === "GET" ? undefined : "{}",
        }).then((answer) => `${answer.type} ${answer.status}`, () => "blocked")""",
        [stack.base_url + path, method],
    )

    assert seen in ("opaque 0", "blocked")
    assert tab.fetch("GET", "/auth/session") == 200


def test_a_form_of_another_site_changes_nothing(tab: Tab, stack: Stack, elsewhere: str) -> None:
    tab.log_in()
    other = tab.context.new_page()
    other.goto(elsewhere)

    with other.expect_response(lambda answer: answer.url.endswith("/auth/logout")) as caught:
        other.evaluate(
            """(url) => {
                const form = document.createElement("form");
                form.method = "POST"; form.action = url; form.enctype = "text/plain";
                document.body.append(form); form.submit();
            }""",
            f"{stack.base_url}/auth/logout",
        )

    assert caught.value.status in (400, 401, 403)
    assert tab.fetch("GET", "/auth/session") == 200


def test_who_follows_a_link_from_another_site_is_still_logged_in(
    tab: Tab, stack: Stack, elsewhere: str
) -> None:
    tab.log_in()
    other = tab.context.new_page()
    other.goto(elsewhere)

    with other.expect_response(lambda answer: answer.url.endswith("/auth/session")) as caught:
        other.evaluate("(url) => { location.href = url; }", f"{stack.base_url}/auth/session")

    assert caught.value.status == 200
