"""A real OpenID Connect provider on this machine, of Authlib and Flask: discovery, codes with PKCE, signed ID tokens.

It answers as a provider does, and misbehaves where a test says so. People log in without being asked: `person` is who.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, Response, jsonify
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT_ID: Final = "mcpanel"
CLIENT_SECRET: Final = "test-client-secret"


@cache
def _signing_keys() -> tuple[RSAKey, RSAKey]:
    """Two keys for every provider of a test run: making one takes longer than a test."""
    one, other = (RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}) for kid in "ab")
    return one, other


@dataclass
class Person:
    """Who is logged in at the provider."""

    id: str = "p-1"
    email: str = "ada@example.com"
    email_verified: bool = True
    name: str = "Ada Lovelace"
    groups: list[str] = field(default_factory=lambda: ["engineering"])


@dataclass
class _Code:
    """An authorization code that was given out."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str
    person: Person
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class _Client:
    """The one client."""

    def __init__(self, redirect_uri: str) -> None:
        self.redirect_uri = redirect_uri
        self.client_id = CLIENT_ID
        self.id_token_signed_response_alg = "RS256"

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.redirect_uri

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == CLIENT_SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class LocalProvider:
    """The provider. Start it with `with`; `issuer` is its address."""

    def __init__(self, redirect_uri: str) -> None:
        self.person = Person()
        self.key, self.other_key = _signing_keys()
        self.signs_with = self.key
        self.claims: dict[str, Any] = {}
        """What ID tokens say otherwise than they should."""
        self.forge: Callable[[str], str] | None = None
        """What becomes of an ID token before it is handed out."""
        self.metadata: dict[str, Any] = {}
        self.codes: dict[str, _Code] = {}
        self.client = _Client(redirect_uri)
        app = Flask(__name__)
        server = AuthorizationServer()
        server.init_app(
            app,
            query_client=lambda client_id: self.client if client_id == CLIENT_ID else None,
            save_token=lambda token, request: None,
        )
        server.register_grant(self._grant(), [CodeChallenge(required=True), self._openid()])
        self._http = make_server("127.0.0.1", 0, app, threaded=True)
        self.issuer = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

        @app.get("/.well-known/openid-configuration")
        def discovery() -> Response:
            return jsonify(
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/jwks",
                    **self.metadata,
                }
            )

        @app.get("/jwks")
        def jwks() -> Response:
            return jsonify(KeySet([self.key]).as_dict(private=False))

        @app.get("/authorize")
        def authorize() -> Any:
            grant = server.get_consent_grant(end_user=self.person)  # type: ignore[no-untyped-call]  # of the library
            return server.create_authorization_response(grant_user=self.person, grant=grant)

        @app.post("/token")
        def token() -> Any:
            return server.create_token_response()

    def __enter__(self) -> "LocalProvider":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _grant(self) -> type[AuthorizationCodeGrant]:
        provider = self

        class Grant(AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012  # as the library has it

            def save_authorization_code(self, code: str, request: Any) -> None:
                data = request.payload.data
                # Every client has to prove itself by PKCE, with S256.
                assert data["code_challenge_method"] == "S256"
                provider.codes[code] = _Code(
                    code,
                    request.payload.redirect_uri,
                    request.payload.scope,
                    data.get("nonce", ""),
                    provider.person,
                    data["code_challenge"],
                    data["code_challenge_method"],
                )

            def query_authorization_code(self, code: str, client: Any) -> _Code | None:
                return provider.codes.get(code)

            def delete_authorization_code(self, authorization_code: _Code) -> None:
                provider.codes.pop(authorization_code.code, None)

            def authenticate_user(self, authorization_code: _Code) -> Person:
                return authorization_code.person

        return Grant

    def _openid(self) -> OpenIDCode:
        provider = self

        class OpenId(OpenIDCode):
            def encode_id_token(self, token: Any, request: Any) -> str:
                signed = str(super().encode_id_token(token, request))
                return provider.forge(signed) if provider.forge else signed

            def exists_nonce(self, nonce: str, request: Any) -> bool:
                return False

            def resolve_client_private_key(self, client: Any) -> Any:
                return provider.signs_with

            def get_encode_header(self, client: Any) -> dict[str, Any]:
                return {"alg": "RS256", "kid": provider.signs_with.kid}

            def get_client_claims(self, client: Any) -> dict[str, Any]:
                now = int(time.time())
                return {"iss": provider.issuer, "aud": [CLIENT_ID], "iat": now, "exp": now + 300}

            def generate_user_info(self, user: Person, scope: str) -> UserInfo:
                said = UserInfo(
                    sub=user.id,
                    email=user.email,
                    email_verified=user.email_verified,
                    name=user.name,
                    groups=user.groups,
                )
                said.update(provider.claims)
                return said

        return OpenId(require_nonce=True)
