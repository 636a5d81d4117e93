"""What passes between a browser and an app, and what is said for the app: lists of what may, not of what may not."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Final, NamedTuple
from urllib.parse import urlsplit

Headers = list[tuple[bytes, bytes]]

_PATH: Final = re.compile(r"/apps/([0-9a-f-]{36}/[A-Za-z0-9_.~-]{1,960})(/.*)?", re.DOTALL)
_TO_APP: Final = frozenset(
    b"accept accept-encoding accept-language cache-control content-encoding content-length content-type host "
    b"if-modified-since if-none-match origin pragma range sec-websocket-extensions sec-websocket-key "
    b"sec-websocket-protocol sec-websocket-version transfer-encoding upgrade user-agent".split()
)
_FROM_APP: Final = frozenset(
    b"accept-ranges cache-control content-disposition content-encoding content-language content-length content-range "
    b"content-type date etag expires last-modified retry-after sec-websocket-accept sec-websocket-extensions "
    b"sec-websocket-protocol transfer-encoding upgrade vary".split()
)
_POLICY: Final = (
    "default-src {app} data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src {app} {socket} data: blob:; "
    "object-src 'none'; base-uri 'none'; form-action {app}; frame-ancestors {consoles}; "
    "sandbox allow-scripts allow-same-origin allow-forms allow-downloads allow-modals"
)
_FEATURES: Final = b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"


class Target(NamedTuple):
    """What a path leads to."""

    app: str
    """The app's name, `<run>/<step>`."""
    rest: str
    """What follows it, from the slash on; empty without one."""

    @property
    def prefix(self) -> str:
        """The path below which everything is the app's."""
        return f"/apps/{self.app}/"


def target(path: str) -> Target | None:
    """The app that a path leads to, and what follows; None when it leads to none."""
    found = _PATH.fullmatch(path)
    return None if found is None else Target(found[1], found[2] or "")


def get(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """A header's value; empty without one."""
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


def cookie_name(app: str, *, secure: bool) -> str:
    """What the cookie of an app is called: one for each."""
    name = f"mcpanel-app-{hashlib.sha256(app.encode()).hexdigest()[:24]}"
    return f"__Host-{name}" if secure else name


def cookie(headers: Iterable[tuple[bytes, bytes]], name: str) -> str:
    """What the browser's cookie of this name holds; empty without one."""
    for key, value in headers:
        if key == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(name)
            except CookieError:
                continue
            if found is not None:
                return found.value[:256]
    return ""


def to_app(headers: Iterable[tuple[bytes, bytes]], *, upgrades: bool) -> Headers:
    """What an app is told of a request: no cookie, no credential, nothing of where it came from."""
    kept = [(name, value) for name, value in headers if name in _TO_APP and (upgrades or name != b"upgrade")]
    return [*kept, (b"connection", b"upgrade" if upgrades else b"close")]


def from_app(headers: Sequence[tuple[bytes, bytes]], where: Target) -> Headers:
    """What a browser is told by an app. Where it leads has to be its own: beyond, its pages would be another app's."""
    kept = [(name, value) for name, value in headers if name in _FROM_APP]
    location = get(headers, b"location")
    if location:
        is_own = location.startswith(where.prefix) and not re.search(r"\.\.|//", urlsplit(location).path)
        kept.append((b"location", location.encode("latin-1") if is_own else where.prefix.encode()))
    return kept


def said_for(where: Target, host: str, consoles: Sequence[str], *, secure: bool) -> Headers:
    """What is said for every page of an app: it loads and reaches only what is its own, not the apps beside it."""
    scheme = "s" if secure else ""
    policy = _POLICY.format(
        app=f"http{scheme}://{host}{where.prefix}",
        socket=f"ws{scheme}://{host}{where.prefix}",
        consoles=" ".join(consoles) or "'none'",
    )
    return [
        (b"content-security-policy", policy.encode("latin-1", "replace")),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"permissions-policy", _FEATURES),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"connection", b"close"),
    ]
