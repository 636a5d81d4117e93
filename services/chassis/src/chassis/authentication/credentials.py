"""The three places a credential may be in, in their order: `authorization`, `x-api-key`, the cookie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from chassis.errors import Unauthenticated

COOKIE: Final = "__Host-mcpanel"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a call showed."""

    credential: str = field(default="", repr=False)
    from_cookie: bool = False
    on_behalf_of: str = field(default="", repr=False)


def extract(metadata: Mapping[str, str]) -> Credentials:
    """The credentials in a call's metadata (lower-case names); an empty one when there is none.

    Raises Unauthenticated CREDENTIALS_CONFLICT for two different ones, CREDENTIALS_INVALID for a scheme other
    than Bearer, and for characters that no credential has: nothing behind this has to cope with them.
    """
    bearer = ""
    if header := metadata.get("authorization", "").strip():
        scheme, _, value = header.partition(" ")
        if scheme.lower() != "bearer" or not value.strip():
            raise Unauthenticated("CREDENTIALS_INVALID", "authorization must read: Bearer <token or key>")
        bearer = value.strip()
    alias = metadata.get("x-api-key", "").strip()
    if bearer and alias and bearer != alias:
        raise Unauthenticated(
            "CREDENTIALS_CONFLICT", "authorization and x-api-key hold different credentials; send one"
        )
    on_behalf_of = metadata.get("x-mcpanel-on-behalf-of", "").strip()
    cookie = _cookie(metadata.get("cookie", ""))
    shown = {
        "authorization": bearer,
        "x-api-key": alias,
        "x-mcpanel-on-behalf-of": on_behalf_of,
        "cookie": cookie,
    }
    for name, value in shown.items():
        if not is_plain(value):
            raise Unauthenticated("CREDENTIALS_INVALID", f"{name} holds characters that are in no credential")
    if bearer or alias:
        return Credentials(bearer or alias, on_behalf_of=on_behalf_of)
    if cookie:
        return Credentials(cookie, from_cookie=True)
    return Credentials()


def same_origin(metadata: Mapping[str, str]) -> bool:
    """Whether the browser says that the request came from our own pages: by Fetch Metadata, else by its Origin.

    What an Origin is compared with is the host that the edge was asked for, `x-forwarded-host`.
    """
    if site := metadata.get("sec-fetch-site", ""):
        return site == "same-origin"
    scheme, _, host = metadata.get("origin", "").partition("://")
    known = metadata.get("x-forwarded-host", "")
    # A page without TLS is our own only where we are asked without it, too.
    schemes = ("https", metadata.get("x-forwarded-proto", ""))
    return bool(known) and scheme in schemes and host.lower() == known.lower()


def may_read(metadata: Mapping[str, str]) -> bool:
    """Whether a read with a cookie may be answered: not when the browser says that another site's page asks.

    Who follows a link from there, or types an address, is answered.
    """
    site = metadata.get("sec-fetch-site", "")
    if not site:  # an old browser, which names in Origin the site of a page whose script asks
        return "origin" not in metadata or same_origin(metadata)
    return site in ("same-origin", "none") or metadata.get("sec-fetch-mode", "") == "navigate"


def is_plain(value: str) -> bool:
    """Whether it is of printable ASCII characters alone, as every credential is."""
    return value.isascii() and value.isprintable()


def _cookie(header: str) -> str:
    """What our cookie holds; what others hold, in whatever characters, is not our business. The last one counts."""
    found = ""
    for part in header.split(";"):
        name, _, value = part.partition("=")
        if name.strip() == COOKIE:
            found = value.strip()
    return found
