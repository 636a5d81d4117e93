"""Sharing one's resources with others: what the methods for it do, whatever the resource is.

self.sharing = Sharing(IdentityServiceStub(identity), grants, permission="workflows.read")
…
grant = await self.sharing.wanted(request.share)
async with self.db.begin() as tx:
    target = …  # locked, and the caller may share it
    share = await self.sharing.give(tx, target, grant)
    return tx.reply(pb.ShareTemplateResponse(share=shares.filled(pb.TemplateShare, share, "template_id")))
"""

from typing import Any, Final, Protocol, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Table

from chassis import grants, outbox
from chassis.access import Grant, Level, SubjectKind
from chassis.context import current, use
from chassis.database import Transaction
from chassis.errors import Exhausted, Invalid, NotFound
from chassis.grants import Share, Target
from chassis.ids import uuid7
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc

M = TypeVar("M", bound=Message)
MOST: Final = 1000
"""How often one resource can be shared."""
_SECONDS: Final = 5.0
_FIELDS: Final[dict[SubjectKind, str]] = {
    "user": "user_id",
    "role": "role_name",
    "service_account": "service_account_id",
}


class Sent(Protocol):
    """A share as a caller sends it."""

    user_id: str
    role_name: str
    service_account_id: str

    @property
    def permission(self) -> int: ...


class Sharing:
    """Shares the resources of one service."""

    def __init__(
        self, stub: "identity_pb2_grpc.IdentityServiceAsyncStub", table: Table, permission: str
    ) -> None:
        """`permission` is what it takes to see one of the resources at all."""
        self._stub = stub
        self._table = table
        self._permission = permission

    async def wanted(self, sent: Sent) -> Grant:
        """The grant that is asked for, once identity knows its subject.

        Raises NotFound PRINCIPAL_NOT_FOUND, Invalid ROLE_UNKNOWN, Unavailable naming identity.
        """
        level = Level(sent.permission)
        with use(None):
            if sent.role_name:
                return Grant("role", await self._role(sent.role_name), level)
            named = sent.user_id or sent.service_account_id
            request = identity_pb2.GetPrincipalRequest(principal_id=named)
            found = (await self._stub.GetPrincipal(request, timeout=_SECONDS)).principal
        is_user = found.kind == identity_pb2.Principal.USER
        if is_user != bool(sent.user_id):
            what = "user" if sent.user_id else "service account"
            raise NotFound(
                "PRINCIPAL_NOT_FOUND", f"there is no {what} {named!r}", resource=("principal", named)
            )
        return Grant("user" if is_user else "service_account", found.id, level)

    async def _role(self, name: str) -> str:
        request = identity_pb2.CheckNamesRequest(names=[name], permission=self._permission)
        answer = await self._stub.CheckNames(request, timeout=_SECONDS)
        if name in answer.roles:
            return name
        roles = ", ".join(answer.roles)
        raise Invalid(
            "ROLE_UNKNOWN", f"there is no role {name!r} that holds {self._permission}; those that do: {roles}"
        )

    async def give(self, tx: Transaction, target: Target, grant: Grant) -> Share:
        """Stores and records the grant on the target, which is locked. Raises Exhausted TOO_MANY_SHARES."""
        old = await grants.find_of(tx, self._table, target, grant)
        if old is None:
            if await grants.count(tx, self._table, target) >= MOST:
                raise Exhausted(
                    "TOO_MANY_SHARES",
                    f"{target.kind.replace('_', ' ')} {target.name!r} is shared {MOST} times, as often as can be; "
                    "share it with a role, or make it PUBLIC",
                    resource=(target.kind, target.id),
                )
            new = Share(uuid7(tx.now), target.id, grant, current().caller.effective.id, tx.now)
            await grants.add(tx, self._table, target, new)
        else:
            new = Share(old.id, old.resource_id, grant, old.created_by, old.created_at)
            await grants.save(tx, self._table, new)
        facts = None if old is None else old.facts()
        await outbox.add(tx, entity=(target.kind, target.id), old=facts, new=new.facts())
        return new

    async def take(self, tx: Transaction, target: Target, share_id: str) -> None:
        """Deletes and records a grant on the target, which is locked. Raises NotFound SHARE_NOT_FOUND."""
        old = await grants.remove(tx, self._table, target, share_id)
        if old is None:
            raise NotFound(
                "SHARE_NOT_FOUND",
                f"{target.kind.replace('_', ' ')} {target.name!r} has no share {share_id!r}",
                resource=("share", share_id),
            )
        await outbox.add(tx, entity=(target.kind, target.id), old=old.facts())


def filled(kind: type[M], share: Share, resource_field: str) -> M:
    """The message of a share, whose resource's id goes into this field."""
    created_at = Timestamp()
    created_at.FromDatetime(share.created_at)
    values: dict[str, Any] = {
        "id": share.id,
        resource_field: share.resource_id,
        _FIELDS[share.grant.subject_kind]: share.grant.subject_id,
        "permission": share.grant.level.value,
        "created_by": share.created_by,
        "created_at": created_at,
    }
    return kind(**values)
