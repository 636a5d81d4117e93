"""Service accounts."""

from typing import Any

from chassis import outbox, paging
from chassis.context import current
from chassis.ids import uuid7
from identity import store, wire
from identity.api.common import Part, before
from identity.domain import accounts, roles
from identity.domain.accounts import Account
from mcpanel.identity.v1 import identity_pb2 as pb


class Accounts(Part):
    """The methods about them."""

    async def CreateServiceAccount(
        self, request: pb.CreateServiceAccountRequest, _: Any
    ) -> pb.CreateServiceAccountResponse:
        held = current().caller.effective.permissions
        async with self._db.begin() as tx:
            role = roles.grantable(await store.roles.every(tx), request.role_name, held, "role_name")
            account = Account(
                id=uuid7(tx.now),
                name=request.name,
                kind="program",
                role_name=role.name,
                created_at=tx.now,
                updated_at=tx.now,
                description=request.description,
            )
            await store.accounts.add(tx, account)
            await outbox.add(tx, entity=("service_account", account.id), new=account.facts())
            return tx.reply(pb.CreateServiceAccountResponse(service_account=wire.account(account)))

    async def ListServiceAccounts(
        self, request: pb.ListServiceAccountsRequest, _: Any
    ) -> pb.ListServiceAccountsResponse:
        page = paging.parse(request, bound=("service_accounts",))
        async with self._db.read() as tx:
            rows = await store.accounts.page(tx, before(page), page.limit)
        items, token = page.cut(rows, lambda account: (account.id,))
        return pb.ListServiceAccountsResponse(
            service_accounts=[wire.account(one) for one in items], next_page_token=token
        )

    async def GetServiceAccount(
        self, request: pb.GetServiceAccountRequest, _: Any
    ) -> pb.GetServiceAccountResponse:
        async with self._db.read() as tx:
            account = await store.accounts.get(tx, request.service_account_id)
        return pb.GetServiceAccountResponse(service_account=wire.account(account))

    async def UpdateServiceAccount(
        self, request: pb.UpdateServiceAccountRequest, _: Any
    ) -> pb.UpdateServiceAccountResponse:
        held, values = current().caller.effective.permissions, wire.account_changes(request)
        async with self._db.begin() as tx:
            old = accounts.of_users(await store.accounts.lock(tx, request.service_account_id))
            new = accounts.changed(old, values, etag=request.service_account.etag, now=tx.now)
            every = await store.roles.every(tx)
            # Both: who may not hand out a role does not switch on again what holds it.
            for name in sorted({old.role_name or "", new.role_name or ""}):
                roles.grantable(every, name, held, "service_account.role_name")
            if new != old:
                await store.accounts.save(tx, new)
                await outbox.add(tx, entity=("service_account", new.id), old=old.facts(), new=new.facts())
            return tx.reply(pb.UpdateServiceAccountResponse(service_account=wire.account(new)))

    async def DeleteServiceAccount(
        self, request: pb.DeleteServiceAccountRequest, _: Any
    ) -> pb.DeleteServiceAccountResponse:
        async with self._db.begin() as tx:
            account = accounts.of_users(await store.accounts.lock(tx, request.service_account_id))
            await store.accounts.remove(tx, account.id)
            await outbox.add(tx, entity=("service_account", account.id), old=account.facts())
            return tx.reply(pb.DeleteServiceAccountResponse())
