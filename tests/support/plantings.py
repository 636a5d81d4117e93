"""Where secrets go in: for every field of a request that is marked `debug_redact`, a request that puts one there.

A new field of that kind needs a line in PLANTINGS; `tests/contracts/test_secret_fields.py` says which. In a request,
`$secret` is what is planted; the other names are of what `tests/system/test_secrets.py` has prepared.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from string import Template
from typing import Any, Final

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis import contracts
from tests.contracts.walk import Rpc, rpcs

Json = dict[str, Any]

_SOURCE: Final = {
    "name": "$fresh",
    "type": "POSTGRESQL",
    "host": "127.0.0.1",
    "port": 9,
    "database": "d",
    "username": "u",
}
_APP: Final = "0190a000-0000-7000-8000-000000000001/app"
_FINISH: Final = {"provider": "nowhere", "code": "code", "state": "state", "binding": "binding"}


@dataclass(frozen=True)
class Planting:
    """A request with a secret in it, and the service account that sends it (empty: whoever may)."""

    rpc: str
    request: Json
    account: str = "admin"

    @property
    def method(self) -> Rpc:
        """The RPC. Raises StopIteration when there is none of the name."""
        return next(rpc for rpc in rpcs() if rpc.name == self.rpc)

    def body(self, **names: str) -> Json:
        """The request as JSON, with its names filled in."""
        found: Json = _filled(self.request, names)
        return found

    def message(self, **names: str) -> Message:
        """The request as a message."""
        empty: Message = message_of(self.method.method.input_type)()
        return json_format.ParseDict(self.body(**names), empty)


PLANTINGS: Final[dict[str, tuple[Planting, ...]]] = {
    "identity.v1.RegisterUserRequest.password": (
        Planting("IdentityService.RegisterUser", {"email": "$fresh@example.com", "password": "$secret"}),
    ),
    "identity.v1.LoginRequest.password": (
        Planting("IdentityService.Login", {"email": "$email", "password": "$secret"}),
    ),
    "identity.v1.RefreshSessionRequest.refresh_token": (
        Planting("IdentityService.RefreshSession", {"refresh_token": "$secret"}),
        Planting("IdentityService.RefreshSession", {"refresh_token": "$refresh_token$secret"}),
    ),
    "identity.v1.LogoutRequest.refresh_token": (
        Planting("IdentityService.Logout", {"refresh_token": "$secret"}),
    ),
    "identity.v1.UpdateUserRequest.new_password": (
        Planting("IdentityService.UpdateUser", {"userId": "$user_id", "user": {}, "newPassword": "$secret"}),
    ),
    "identity.v1.UpdateUserRequest.current_password": (
        Planting(
            "IdentityService.UpdateUser",
            {
                "userId": "me",
                "user": {},
                "newPassword": "a long enough password",
                "currentPassword": "$secret",
            },
        ),
    ),
    "identity.v1.AcceptInvitationRequest.invitation": (
        Planting(
            "IdentityService.AcceptInvitation",
            {"invitation": "mcp_i_$secret", "password": "a long enough password"},
        ),
    ),
    "identity.v1.AcceptInvitationRequest.password": (
        Planting("IdentityService.AcceptInvitation", {"invitation": "$invitation", "password": "$secret"}),
    ),
    "identity.v1.SetPasswordRequest.ticket": (
        Planting(
            "IdentityService.SetPassword",
            {"ticket": "mcp_r_$secret", "newPassword": "a long enough password", "requestId": "$fresh"},
        ),
    ),
    "identity.v1.SetPasswordRequest.new_password": (
        Planting(
            "IdentityService.SetPassword",
            {"ticket": "$ticket", "newPassword": "$secret", "requestId": "$fresh"},
        ),
    ),
    "identity.v1.AuthenticateRequest.credential": (
        Planting("IdentityService.Authenticate", {"credential": "$secret"}, "registry"),
        Planting("IdentityService.Authenticate", {"credential": "mcp_$secret"}, "registry"),
    ),
    "identity.v1.OpenBrowserSessionRequest.password": (
        Planting("IdentityService.OpenBrowserSession", {"email": "$email", "password": "$secret"}, "gateway"),
    ),
    "identity.v1.OpenBrowserSessionRequest.previous_session_token": (
        Planting(
            "IdentityService.OpenBrowserSession",
            {"email": "$email", "password": "not the password", "previousSessionToken": "mcp_s_$secret"},
            "gateway",
        ),
    ),
    "identity.v1.FinishExternalLoginRequest.previous_session_token": (
        Planting(
            "IdentityService.FinishExternalLogin", _FINISH | {"previousSessionToken": "$secret"}, "gateway"
        ),
    ),
    "identity.v1.FinishExternalLoginRequest.code": (
        Planting("IdentityService.FinishExternalLogin", _FINISH | {"code": "$secret"}, "gateway"),
    ),
    "identity.v1.FinishExternalLoginRequest.state": (
        Planting("IdentityService.FinishExternalLogin", _FINISH | {"state": "$secret"}, "gateway"),
    ),
    "identity.v1.FinishExternalLoginRequest.binding": (
        Planting("IdentityService.FinishExternalLogin", _FINISH | {"binding": "$secret"}, "gateway"),
    ),
    "identity.v1.RedeemStreamTicketRequest.ticket": (
        Planting("IdentityService.RedeemStreamTicket", {"ticket": "$secret"}, "gateway"),
    ),
    "engine.v1.RedeemAppTicketRequest.ticket": (
        Planting("AppService.RedeemAppTicket", {"ticket": "mcp_a_$secret", "app": _APP}, "gateway"),
    ),
    "engine.v1.ConnectAppRequest.Open.cookie": (
        Planting("AppService.ConnectApp", {"open": {"app": _APP, "cookie": "mcp_a_$secret"}}, "gateway"),
    ),
    "engine.v1.CarryTunnelRequest.Open.tunnel_token": (
        Planting("WorkerService.CarryTunnel", {"open": {"tunnelToken": "$secret"}}, "worker"),
    ),
    "datasources.v1.DataSource.secret_value": (
        Planting(
            "DataSourceService.CreateDataSource",
            {"dataSource": {**_SOURCE, "secretValue": "$secret"}, "requestId": "$fresh"},
        ),
        Planting(
            "DataSourceService.CreateDataSource",
            {"dataSource": {**_SOURCE, "port": 70000, "secretValue": "$secret"}},
        ),
        Planting(
            "DataSourceService.UpdateDataSource",
            {"dataSourceId": "$data_source", "dataSource": {"secretValue": "$secret"}},
        ),
    ),
    "datasources.v1.Secret.secret_value": (
        Planting(
            "SecretService.CreateSecret",
            {"secret": {"name": "$fresh", "secretValue": "$secret"}, "requestId": "$fresh"},
        ),
        Planting("SecretService.CreateSecret", {"secret": {"name": "No name", "secretValue": "$secret"}}),
        Planting(
            "SecretService.UpdateSecret", {"secretId": "$named_secret", "secret": {"secretValue": "$secret"}}
        ),
    ),
    "datasources.v1.CreateDataSourceRequest.source": (
        Planting(
            "DataSourceService.CreateDataSource",
            {
                "source": "\n".join(f"{name}: {value}" for name, value in _SOURCE.items())
                + "\nsecret_value: $secret"
            },
        ),
        Planting("DataSourceService.CreateDataSource", {"source": "secret_value: {a: $secret}"}),
        Planting("DataSourceService.CreateDataSource", {"source": "secret_value: [$secret"}),
        Planting("DataSourceService.CreateDataSource", {"source": "$secret: !!python/object a"}),
    ),
}
"""By the field's full name, without `mcpanel.`; several where one request takes another way than the other."""


def message_of(kind: str) -> Any:
    """The class of a message by its full name."""
    return contracts.message_class(kind.removeprefix("."))


@cache
def secret_fields() -> frozenset[str]:
    """Every `debug_redact` field that some request takes, without `mcpanel.`."""
    return frozenset(
        field.full_name.removeprefix("mcpanel.")
        for rpc in rpcs()
        for field in _below(message_of(rpc.method.input_type).DESCRIPTOR, {""})
        if field.GetOptions().debug_redact
    )


def holds(message: Message, name: str, value: str) -> bool:
    """Whether the field of this name (without `mcpanel.`), in the message or in one inside it, holds the value."""
    for field, found in message.ListFields():
        if field.full_name.removeprefix("mcpanel.") == name and value in str(found):
            return True
        if field.message_type is not None and not field.is_repeated and holds(found, name, value):
            return True
    return False


def take_secrets(message: Message) -> Iterator[str]:
    """Empties the `debug_redact` fields of an answer; what was in them."""
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact:
            yield str(value)
            message.ClearField(field.name)
        elif field.message_type is not None and not field.is_repeated:
            yield from take_secrets(value)


def _below(message: Descriptor, seen: set[str]) -> Iterator[FieldDescriptor]:
    if message.full_name in seen:
        return
    seen.add(message.full_name)
    for field in message.fields:
        yield field
        if field.message_type is not None:
            yield from _below(field.message_type, seen)


def _filled(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {_filled(key, names): _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, names) for inner in value]
    return Template(value).substitute(names) if isinstance(value, str) else value
