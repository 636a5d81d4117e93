"""Tokens, keys and whom they belong to."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from chassis import authentication
from chassis.authentication import Jwks, RemoteAuthenticator, TokenVerifier, extract
from chassis.authentication.guesses import Guesses
from chassis.authentication.revocations import Revocations, Revoked
from chassis.client import channel
from chassis.context import Call, Caller, use
from chassis.errors import Exhausted, ServiceError, Unauthenticated, Unavailable
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from tests.chassis.conftest import Serve
from tests.support.callers import SERVICE

KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()


def jwk(key: Ed25519PrivateKey, kid: str = "k1") -> dict[str, str]:
    found = dict(OKPAlgorithm.to_jwk(key.public_key(), as_dict=True))
    return {"kty": found["kty"], "crv": found["crv"], "x": found["x"], "kid": kid}


def token(key: Any = KEY, *, alg: str = "EdDSA", typ: str = "at+jwt", kid: str = "k1", **claims: Any) -> str:
    now = int(time.time())
    body = {
        "iss": "mcpanel",
        "aud": "mcpanel",
        "sub": "u1",
        "jti": "j1",
        "iat": now,
        "exp": now + 600,
        "name": "ann@example.com",
        "roles": ["Viewer"],
        "permissions": ["definitions.read"],
    } | claims
    return jwt.encode(
        {k: v for k, v in body.items() if v is not None}, key, algorithm=alg, headers={"typ": typ, "kid": kid}
    )


def _last_bits(good: str) -> str:
    """The token with its signature written otherwise: of the last character, four bits say nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return good[:-1] + alphabet[alphabet.index(good[-1]) + 1]


class Keys:
    """A set of keys that counts how often it is fetched."""

    def __init__(self, *keys: dict[str, str]) -> None:
        self.keys = list(keys)
        self.fetched = 0
        self.away = False

    async def fetch(self) -> list[dict[str, str]]:
        self.fetched += 1
        if self.away:
            raise Unavailable("DEPENDENCY_UNAVAILABLE", "identity is unavailable")
        return self.keys


async def test_a_good_token_names_its_caller() -> None:
    caller = await TokenVerifier(Jwks(Keys(jwk(KEY)).fetch)).verify(token(sid="s1"))

    assert (caller.id, caller.kind, caller.name) == ("u1", "user", "ann@example.com")
    assert (set(caller.roles), set(caller.permissions)) == ({"Viewer"}, {"definitions.read"})
    assert (caller.session_id, caller.credential_id) == ("s1", "j1")
    assert "eyJ" not in repr(caller)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: token(OTHER),
        lambda: token("k" * 32, alg="HS256"),
        lambda: jwt.encode({"sub": "u1"}, "", algorithm="none", headers={"kid": "k1", "typ": "at+jwt"}),
        lambda: token(typ="JWT"),
        lambda: token(exp=int(time.time()) - 60),
        lambda: token(aud="datasources"),
        lambda: token(iss="somebody"),
        lambda: token(jti=None),
        lambda: token(sub=None),
        lambda: token(exp=None),
        lambda: token(kid="k2"),
        lambda: token()[:-6] + "AAAAAA",
        lambda: "eyJ.eyJ.x",
        lambda: token() + "==",
        lambda: token() + "=",
        lambda: token().replace(".", "==.", 1),
        lambda: token().replace(".", ".=", 1),
        lambda: token() + "!",
        lambda: token() + "\n",
        lambda: _last_bits(token()),
        lambda: "ey\u00fc." + token().partition(".")[2],
    ],
)
async def test_a_token_wrong_in_any_way_is_refused(bad: Any) -> None:
    verifier = TokenVerifier(Jwks(Keys(jwk(KEY)).fetch))

    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(bad())

    assert caught.value.reason == "CREDENTIALS_INVALID"


async def test_unknown_key_ids_cannot_make_the_keys_be_fetched_over_and_over() -> None:
    keys = Keys(jwk(KEY))
    verifier = TokenVerifier(Jwks(keys.fetch))
    await verifier.verify(token())

    unknown = (verifier.verify(token(kid=f"x{number}")) for number in range(200))
    answers = await asyncio.gather(*unknown, return_exceptions=True)

    assert {type(answer) for answer in answers} == {Unauthenticated}
    assert keys.fetched <= 3


async def test_a_new_key_counts_from_the_first_token_it_signs() -> None:
    keys = Keys(jwk(KEY))
    verifier = TokenVerifier(Jwks(keys.fetch))
    await verifier.verify(token())

    keys.keys.append(jwk(OTHER, "k2"))

    assert (await verifier.verify(token(OTHER, kid="k2"))).id == "u1"


async def test_known_keys_serve_while_identity_is_away_and_without_any_it_is_named() -> None:
    keys = Keys(jwk(KEY))
    jwks = Jwks(keys.fetch)
    verifier = TokenVerifier(jwks)
    await verifier.verify(token())

    keys.away = True
    jwks._fetched = time.monotonic() - 3600
    again = await verifier.verify(token(jti="j2"))

    assert again.id == "u1"
    with pytest.raises(Unavailable, match="identity"):
        await TokenVerifier(Jwks(keys.fetch)).verify(token())


class Identity(identity_pb2_grpc.IdentityServiceServicer):
    """Knows `mcp_good…`."""

    def __init__(self) -> None:
        self.asked = 0
        self.revoked = False
        self.ended: list[str] = []
        self.narrowed: dict[str, float] = {}
        self.is_away = False

    async def Authenticate(self, request: Any, context: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0.01)
        if self.revoked or not request.credential.startswith("mcp_good"):
            raise Unauthenticated("CREDENTIALS_INVALID", "unknown")
        principal = identity_pb2.Principal(
            id="s1", kind="SERVICE", name="engine", roles=["Service"], permissions=["a.b"], api_key_id="k7"
        )
        return identity_pb2.AuthenticateResponse(principal=principal)

    async def GetRevocations(self, request: Any, context: Any) -> Any:
        if self.is_away:
            raise Unavailable("DRAINING", "identity is stopping")
        answer = identity_pb2.GetRevocationsResponse(session_ids=self.ended)
        for name, at in self.narrowed.items():
            role = answer.narrowed_roles.add(name=name)
            role.time.FromMilliseconds(int(at * 1000))
        return answer

    async def GetJwks(self, request: Any, context: Any) -> Any:
        return identity_pb2.GetJwksResponse(
            keys=[identity_pb2.JsonWebKey(alg="EdDSA", use="sig", **jwk(KEY))]
        )


async def remote(serve: Serve, identity: Identity, key: str = SERVICE.credential) -> Any:
    raw: Any = await serve((identity_pb2_grpc.add_IdentityServiceServicer_to_server, identity))
    return channel(raw.server.config.listen, peer="identity", key=key)


async def test_a_key_is_asked_for_once_in_a_while_even_by_many_at_once(serve: Serve) -> None:
    identity = Identity()
    to_identity = await remote(serve, identity)
    authenticator = RemoteAuthenticator(to_identity)

    callers = await asyncio.gather(*(authenticator.authenticate("mcp_good_key") for _ in range(10)))
    await authenticator.authenticate("mcp_good_key")

    assert identity.asked == 1
    assert (callers[0].id, callers[0].kind, callers[0].credential_id) == ("s1", "service", "k7")
    await to_identity.close()


async def test_a_revoked_key_is_out_when_what_was_cached_of_it_has_expired(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Identity()
    to_identity = await remote(serve, identity)
    authenticator = RemoteAuthenticator(to_identity)
    monkeypatch.setattr("chassis.authentication.remote.TTL", 0.0)
    await authenticator.authenticate("mcp_good_key")

    identity.revoked = True

    with pytest.raises(Unauthenticated):
        await authenticator.authenticate("mcp_good_key")
    await to_identity.close()


async def test_an_address_that_guesses_keys_is_held_up_and_nobody_else(serve: Serve) -> None:
    identity, now = Identity(), [0.0]
    to_identity = await remote(serve, identity)
    authenticator = RemoteAuthenticator(to_identity, guesses=Guesses(3, lambda: now[0]))

    async def outcome(key: str, address: str) -> str:
        with use(Call(method="/x/Y", client_address=address)):
            try:
                await authenticator.authenticate(key)
            except ServiceError as error:
                return error.reason
            return "OK"

    before = [await outcome("mcp_good_known", "203.0.113.7")]
    guessed = [await outcome(f"mcp_guess_{number}", "203.0.113.7") for number in range(5)]
    asked = identity.asked
    held_up = [await outcome("mcp_good_other", "203.0.113.7")]
    others = [await outcome("mcp_good_known", "203.0.113.7"), await outcome("mcp_good_two", "203.0.113.8")]
    now[0] = 61.0
    later = [await outcome("mcp_good_other", "203.0.113.7")]

    assert before == others[:1] == others[1:] == later == ["OK"]
    assert guessed == ["CREDENTIALS_INVALID"] * 3 + ["TOO_MANY_REQUESTS"] * 2
    assert held_up == ["TOO_MANY_REQUESTS"]
    assert asked == 4
    await to_identity.close()


def test_the_addresses_of_one_ipv6_network_guess_together() -> None:
    guesses = Guesses(1, lambda: 0.0)
    guesses.check("2001:db8::1")
    guesses.note("2001:db8::1")

    with pytest.raises(Exhausted) as caught:
        guesses.check("2001:db8::2")
    guesses.check("2001:db8:0:1::1")

    assert caught.value.retry_after == timedelta(seconds=60)


async def test_a_token_longer_than_any_is_refused_unread() -> None:
    keys = Keys(jwk(KEY))

    with pytest.raises(Unauthenticated):
        await TokenVerifier(Jwks(keys.fetch)).verify(token(permissions=["a.b"] * 5000))

    assert keys.fetched == 0


async def test_tokens_are_verified_with_identitys_keys(serve: Serve) -> None:
    to_identity = await remote(serve, Identity())

    caller = await RemoteAuthenticator(to_identity).authenticate(token())

    assert caller.id == "u1"
    await to_identity.close()


async def test_a_token_whose_session_ended_is_refused_and_the_others_go_on(serve: Serve) -> None:
    identity = Identity()
    to_identity = await remote(serve, identity)
    identity.ended = ["s1"]
    authenticator = RemoteAuthenticator(to_identity)

    with pytest.raises(Unauthenticated, match="session"):
        await authenticator.authenticate(token(sid="s1"))

    assert (await authenticator.authenticate(token(sid="s2"))).session_id == "s2"
    await to_identity.close()


@pytest.mark.parametrize(("after", "counts"), [(-1, False), (0, False), (1, True)])
async def test_a_token_from_before_its_role_was_narrowed_is_refused(
    serve: Serve, after: int, counts: bool
) -> None:
    identity = Identity()
    to_identity = await remote(serve, identity)
    now = int(time.time())
    identity.narrowed = {"Viewer": now + 0.5}
    authenticator = RemoteAuthenticator(to_identity)
    shown = token(iat=now + after)

    if counts:
        assert (await authenticator.authenticate(shown)).id == "u1"
    else:
        with pytest.raises(Unauthenticated, match="role"):
            await authenticator.authenticate(shown)
    assert (await authenticator.authenticate(token(roles=["Other"]))).id == "u1"
    await to_identity.close()


async def test_tokens_are_good_while_identity_cannot_say_which_sessions_ended(serve: Serve) -> None:
    identity = Identity()
    to_identity = await remote(serve, identity)
    identity.is_away = True

    caller = await RemoteAuthenticator(to_identity).authenticate(token(sid="s1"))

    assert caller.session_id == "s1"
    await to_identity.close()


class Ended:
    """What a service is told of ended sessions, on a clock that the test moves."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        self.asked = 0
        self.now = 100.0
        self.is_away = False
        self.revocations = Revocations(self.fetch, lambda: self.now)

    async def fetch(self) -> Revoked:
        self.asked += 1
        if self.is_away:
            raise Unavailable("DEPENDENCY_UNAVAILABLE", "identity is unavailable")
        return Revoked(frozenset(self.ids))

    async def passes(self, seconds: float, session_id: str = "s1") -> bool:
        """Whether a token of the session is let through after so many seconds."""
        self.now += seconds
        caller = Caller("u1", "user", "ann", session_id=session_id)
        found = await self.revocations.why(caller)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return not found


async def test_an_ended_session_is_out_within_five_seconds_however_busy_the_service() -> None:
    told = Ended()
    assert await told.passes(0)

    told.ids.add("s1")

    let_through = [await told.passes(0.5) for _ in range(10)]
    assert let_through[-1] is False
    assert sum(let_through) * 0.5 < 5
    assert told.asked <= 4


async def test_an_ended_session_is_out_at_once_where_nobody_called_for_long() -> None:
    told = Ended()
    assert await told.passes(0)

    told.ids.add("s1")

    assert not await told.passes(60)


async def test_what_is_known_of_ended_sessions_is_kept_while_identity_is_away() -> None:
    told = Ended()
    told.ids.add("s1")
    assert not await told.passes(0)

    told.is_away = True

    assert [await told.passes(3) for _ in range(5)] == [False] * 5
    assert await told.passes(0, "s2")
    told.is_away = False
    told.ids = {"s2"}
    await told.passes(3)
    assert not await told.passes(0, "s2")


@pytest.mark.parametrize("credential", ["", "hello", "mcp_" + "x" * 300, "Bearer mcp_good"])
async def test_what_is_no_credential_is_refused_without_asking(serve: Serve, credential: str) -> None:
    identity = Identity()
    to_identity = await remote(serve, identity)

    with pytest.raises(Unauthenticated):
        await RemoteAuthenticator(to_identity).authenticate(credential)

    assert identity.asked == 0
    await to_identity.close()


async def test_a_service_whose_own_key_is_bad_blames_itself_and_not_the_caller(serve: Serve) -> None:
    to_identity = await remote(serve, Identity(), key="mcp_wrong")

    with pytest.raises(Unavailable, match="refused this service's own key"):
        await RemoteAuthenticator(to_identity).authenticate("mcp_good_key")
    await to_identity.close()


async def test_an_absent_identity_is_named() -> None:
    absent = channel("127.0.0.1:1", peer="identity", key="mcp_x")

    with pytest.raises(Unavailable) as caught:
        await RemoteAuthenticator(absent).authenticate("mcp_good_key")

    assert caught.value.metadata == {"dependency": "identity"}
    await absent.close()


@pytest.mark.parametrize(
    ("metadata", "credential", "from_cookie"),
    [
        ({}, "", False),
        ({"authorization": "bearer abc"}, "abc", False),
        ({"authorization": "Bearer abc", "x-api-key": "abc"}, "abc", False),
        ({"x-api-key": "mcp_1"}, "mcp_1", False),
        ({"cookie": "a=b; __Host-mcpanel=tok; c=d"}, "tok", True),
        ({"cookie": "a=b; __Host-mcpanel=tok", "authorization": "Bearer abc"}, "abc", False),
        ({"cookie": "mcpanel=tok"}, "", False),
        ({"cookie": "theirs=caf\xe9; __Host-mcpanel=tok"}, "tok", True),
        ({"cookie": '__Host-mcpanel=tok; theirs={"a": "\xff"}; b'}, "tok", True),
        ({"cookie": "x__Host-mcpanel=tok"}, "", False),
    ],
)
def test_credentials_are_found_in_their_order(
    metadata: dict[str, str], credential: str, from_cookie: bool
) -> None:
    found = extract(metadata)

    assert (found.credential, found.from_cookie) == (credential, from_cookie)


def test_the_package_names_what_services_use() -> None:
    assert issubclass(Unauthenticated, ServiceError)
    assert {"Authenticator", "RemoteAuthenticator"} <= set(authentication.__all__)
