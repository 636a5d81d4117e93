"""Between identity's values and the contract's messages."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from google.protobuf import duration_pb2, timestamp_pb2

from chassis import fieldmask
from chassis.context import Caller
from identity.domain import accounts, roles
from identity.domain.accounts import Account
from identity.domain.api_keys import OVERLAP, ApiKey, Principal, shown_prefix
from identity.domain.roles import Role
from identity.domain.sessions import BROWSER_LIFE, Session
from identity.domain.tokens import Issued, PublicKey
from identity.domain.users import CHANGEABLE, User
from mcpanel.identity.v1 import identity_pb2 as pb

_KINDS: Final = {
    "user": pb.Principal.USER,
    "api_key": pb.Principal.API_KEY,
    "service": pb.Principal.SERVICE,
    "worker": pb.Principal.WORKER,
}


def user(value: User) -> pb.User:
    """A user; its password's hash stays here."""
    return pb.User(
        id=value.id,
        email=value.email,
        full_name=value.full_name,
        role_name=value.role_name,
        is_active=value.is_active,
        etag=value.etag,
        created_at=time(value.created_at),
        updated_at=time(value.updated_at),
        last_login_at=time(value.last_login_at),
        invited_at=time(value.invited_at),
    )


def changes(request: pb.UpdateUserRequest) -> dict[str, Any]:
    """The values an update sets; a field that the mask names and the user lacks is set to its empty value.

    Raises Invalid INVALID_UPDATE_MASK.
    """
    return {
        name: getattr(request.user, name)
        for name in fieldmask.paths(request.update_mask, request.user, CHANGEABLE)
    }


def session(value: Session, current: str) -> pb.Session:
    """A session; `current` is the id of the one that this call was made in."""
    return pb.Session(
        id=value.id,
        user_id=value.user_id,
        kind=value.kind.upper(),
        created_at=time(value.created_at),
        last_used_at=time(value.last_used_at),
        expires_at=time(value.expires_at),
        ended_at=time(value.ended_at),
        end_reason=value.end_reason or "",
        client_address=value.client_address,
        user_agent=value.user_agent,
        current=value.id == current,
    )


def role(value: Role) -> pb.Role:
    """A role."""
    return pb.Role(
        name=value.name,
        description=value.description,
        permissions=sorted(value.permissions),
        built_in=any(one.name == value.name for one in roles.BUILT_IN),
        etag=value.etag,
    )


def role_changes(request: pb.UpdateRoleRequest) -> dict[str, Any]:
    """The values an update sets. Raises Invalid INVALID_UPDATE_MASK."""
    return {
        name: getattr(request.role, name)
        for name in fieldmask.paths(request.update_mask, request.role, roles.CHANGEABLE)
    }


def revocations(sessions: Iterable[str], narrowed: Mapping[str, datetime]) -> pb.GetRevocationsResponse:
    """What services are to refuse although its time has not run out."""
    return pb.GetRevocationsResponse(
        session_ids=sessions,
        narrowed_roles=[
            pb.GetRevocationsResponse.NarrowedRole(name=name, time=time(at)) for name, at in narrowed.items()
        ],
    )


def api_key(value: ApiKey) -> pb.ApiKey:
    """A key's record, without the key."""
    return pb.ApiKey(
        id=value.id,
        name=value.name,
        prefix=shown_prefix(value.lookup),
        owner_id=value.owner_id,
        role_name=value.role_name or "",
        created_at=time(value.created_at),
        expires_at=time(value.expires_at),
        last_used_at=time(value.last_used_at),
        revoked_at=time(value.revoked_at),
        scopes=value.scopes or (),
        rotated_from=value.rotated_from or "",
    )


def account(value: Account) -> pb.ServiceAccount:
    """A service account."""
    return pb.ServiceAccount(
        id=value.id,
        name=value.name,
        description=value.description,
        kind=value.kind.upper(),
        role_name=value.role_name or "",
        is_active=value.is_active,
        etag=value.etag,
        created_at=time(value.created_at),
        updated_at=time(value.updated_at),
    )


def account_changes(request: pb.UpdateServiceAccountRequest) -> dict[str, Any]:
    """The values an update sets. Raises Invalid INVALID_UPDATE_MASK."""
    return {
        name: getattr(request.service_account, name)
        for name in fieldmask.paths(request.update_mask, request.service_account, accounts.CHANGEABLE)
    }


def principal(value: Principal) -> pb.Principal:
    """Whoever an API key belongs to."""
    return pb.Principal(
        id=value.id,
        kind=_KINDS[value.kind],
        name=value.name,
        roles=sorted(value.roles),
        permissions=sorted(value.permissions),
        api_key_id=value.api_key_id,
        session_id=value.session_id,
        scopes=sorted(value.scopes),
    )


def caller(value: Caller) -> pb.Principal:
    """The caller, as it is told about itself."""
    return pb.Principal(
        id=value.id,
        kind=_KINDS[value.kind],
        name=value.name,
        roles=sorted(value.roles),
        permissions=sorted(value.permissions),
        api_key_id="" if value.kind == "user" else value.credential_id,
        session_id=value.session_id,
        scopes=sorted(value.scopes),
    )


def login(value: Issued) -> pb.LoginResponse:
    """A login's tokens."""
    return pb.LoginResponse(
        access_token=value.access_token,
        token_type="Bearer",  # noqa: S106  # OAuth's word, not a secret
        expires_in=value.expires_in,
        refresh_token=value.refresh_token,
    )


def entered(value: Session, user_: User, cookie: str) -> pb.OpenBrowserSessionResponse:
    """A browser's login."""
    return pb.OpenBrowserSessionResponse(
        session_token=cookie, expires_at=time(value.created_at + BROWSER_LIFE), user=user(user_)
    )


def refreshed(value: Issued) -> pb.RefreshSessionResponse:
    """A refresh's tokens."""
    return pb.RefreshSessionResponse(
        access_token=value.access_token,
        token_type="Bearer",  # noqa: S106  # OAuth's word, not a secret
        expires_in=value.expires_in,
        refresh_token=value.refresh_token,
    )


def accepted(value: Issued) -> pb.AcceptInvitationResponse:
    """The tokens of a login by invitation."""
    return pb.AcceptInvitationResponse(
        access_token=value.access_token,
        token_type="Bearer",  # noqa: S106  # OAuth's word, not a secret
        expires_in=value.expires_in,
        refresh_token=value.refresh_token,
    )


def jwks(keys: Iterable[PublicKey]) -> pb.GetJwksResponse:
    """The public keys as a JSON Web Key Set."""
    return pb.GetJwksResponse(
        keys=[
            pb.JsonWebKey(kty="OKP", crv="Ed25519", x=key.x, kid=key.kid, alg="EdDSA", use="sig")
            for key in keys
        ]
    )


def time(value: datetime | None) -> timestamp_pb2.Timestamp | None:
    """A time; None stays absent."""
    if value is None:
        return None
    found = timestamp_pb2.Timestamp()
    found.FromDatetime(value)
    return found


def lifetime(request: pb.CreateApiKeyRequest) -> timedelta | None:
    """How long the key is wanted to work; None for until revoked."""
    value: duration_pb2.Duration = request.lifetime
    return value.ToTimedelta() if request.HasField("lifetime") else None


def ticket_life(request: pb.InviteUserRequest | pb.ResetPasswordRequest, default: timedelta) -> timedelta:
    """How long the ticket is wanted to work."""
    return request.lifetime.ToTimedelta() if request.HasField("lifetime") else default


def overlap(request: pb.RotateApiKeyRequest) -> timedelta:
    """How long the replaced key goes on."""
    return request.overlap.ToTimedelta() if request.HasField("overlap") else OVERLAP
