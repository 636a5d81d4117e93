"""The AuditService."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

import grpc.aio

from audit import exporting, log, merkle, personal, store, verification, wire
from audit.checkpoint import Signer
from audit.domain import Exported
from audit.keys import Signing
from audit.personal import Committed, Delivery
from audit.watching import Watches
from audit.witness import Keeper
from chassis import filtering, outbox, paging
from chassis.context import current
from chassis.database import Database, Transaction
from mcpanel.audit.v1 import audit_pb2, audit_pb2_grpc

_KEY_ROTATED: Final = "AUDIT_KEY_ROTATED"
_ITSELF: Final = outbox.Actor("audit", "service", "audit")
_NEWEST: Final = 50
"""How many entries a watch begins with."""
Context = grpc.aio.ServicerContext[Any, Any]


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """Owns the log: one sequencer appends, everybody reads."""

    def __init__(
        self,
        db: Database,
        signing: Signing,
        keeper: Keeper,
        watches: Watches,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """`random` makes the salts of commitments."""
        self._db = db
        self._keeper = keeper
        self._signing = signing
        self._random = random
        self._watches = watches
        self._turn = asyncio.Lock()
        """Keeps appenders of this process out of the connection pool while they wait for their turn."""

    @property
    def _signer(self) -> Signer:
        return self._signing()

    async def AppendRecords(
        self, request: audit_pb2.AppendRecordsRequest, context: Context
    ) -> audit_pb2.AppendRecordsResponse:
        delivered = wire.deliveries(request, service=current().caller.name)
        await self._keeper.approve()
        signer = self._signer
        async with self._turn, self._db.begin() as tx:
            now = await store.become_sequencer(tx)
            newest = await store.newest_checkpoint(tx)
            tree = log.tree_to_extend(newest, await store.extent(tx), signer.verifier)
            fresh = log.fresh(delivered, await store.known(tx, [one.record.record_id for one in delivered]))
            log.require_room(tree, len(fresh))
            if fresh:
                records = await self._committed(tx, fresh)
                self._keeper.require_agreement(tree.size)
                await store.append(tx, log.extend(tree, records, now, signer))
                if newest is not None and signer.verifier.signer_of(newest.note) is not signer.verifier:
                    await outbox.note(
                        tx, _KEY_ROTATED, entity=("action_log", ""), actor=_ITSELF, details=wire.keys(signer)
                    )
        if fresh:
            self._watches.grown()
        return audit_pb2.AppendRecordsResponse(appended=len(fresh))

    async def ListActionLogs(
        self, request: audit_pb2.ListActionLogsRequest, context: Context
    ) -> audit_pb2.ListActionLogsResponse:
        wanted = store.fulfilling(filtering.parse(request.filter), wire.OUTCOMES, request.entity_ids)
        page = paging.parse(request, bound=(request.filter, *request.entity_ids))
        async with self._db.read() as tx:
            leaves = await store.page_before(tx, wanted, wire.before(page), page.limit)
            found = await store.disclosures(tx, wire.tokens(leaves))
        return wire.action_logs(leaves, page, personal.values(found))

    async def GetActionLog(
        self, request: audit_pb2.GetActionLogRequest, context: Context
    ) -> audit_pb2.GetActionLogResponse:
        async with self._db.read() as tx:
            leaf = await store.get(tx, request.action_log_id)
            found = await store.disclosures(tx, wire.tokens([leaf]))
        return audit_pb2.GetActionLogResponse(action_log=wire.action_log(leaf, personal.values(found)))

    async def WatchActionLogs(
        self, request: audit_pb2.WatchActionLogsRequest, context: Context
    ) -> AsyncIterator[audit_pb2.WatchActionLogsResponse]:
        call = current()
        wanted = store.fulfilling(filtering.parse(request.filter), wire.OUTCOMES)
        first = request.from_index if request.HasField("from_index") else None
        newest = request.page_size or _NEWEST
        sent, position, said = 0, first or 0, False
        async for seen in self._watches.watch(
            wanted, first, newest, call.draining, call.caller.effective.expires_at
        ):
            values = personal.values(seen.disclosures)
            for item in wire.watched(seen.leaves, values, seen.next_index, live=seen.live, said=said):
                yield item
            sent, position, said = sent + len(seen.leaves), seen.next_index, said or seen.live
        yield wire.watch_end(sent, position)

    async def GetCheckpoint(
        self, request: audit_pb2.GetCheckpointRequest, context: Context
    ) -> audit_pb2.GetCheckpointResponse:
        async with self._db.read() as tx:
            newest = await store.newest_checkpoint(tx)
        signed = newest or log.signed(merkle.Frontier(), datetime.now(UTC), self._signer)
        return audit_pb2.GetCheckpointResponse(
            checkpoint=wire.checkpoint(signed, self._signer.verifier),
            witnesses=map(wire.witness, self._keeper.witnesses),
        )

    async def GetInclusionProof(
        self, request: audit_pb2.GetInclusionProofRequest, context: Context
    ) -> audit_pb2.GetInclusionProofResponse:
        async with self._db.read() as tx:
            leaf = await store.get(tx, request.action_log_id)
            size = log.proof_size(request.tree_size, await store.newest_checkpoint(tx), leaf.entry.index + 1)
            hashes = await store.hashes_over(tx, merkle.inclusion_path(leaf.entry.index, size))
        return audit_pb2.GetInclusionProofResponse(
            index=leaf.entry.index, tree_size=size, leaf_hash=leaf.leaf_hash.hex(), hashes=wire.hexes(hashes)
        )

    async def GetConsistencyProof(
        self, request: audit_pb2.GetConsistencyProofRequest, context: Context
    ) -> audit_pb2.GetConsistencyProofResponse:
        first = request.first_size
        async with self._db.read() as tx:
            second = log.proof_size(request.second_size, await store.newest_checkpoint(tx), first)
            hashes = await store.hashes_over(tx, merkle.consistency_path(first, second))
        return audit_pb2.GetConsistencyProofResponse(
            first_size=first, second_size=second, hashes=wire.hexes(hashes)
        )

    async def ExportActionLogs(
        self, request: audit_pb2.ExportActionLogsRequest, context: Context
    ) -> AsyncIterator[audit_pb2.ExportActionLogsResponse]:
        wanted = filtering.parse(request.filter)
        condition = store.fulfilling(wanted, wire.OUTCOMES) if wanted is not None else None
        async with self._db.begin() as tx:
            scope = await exporting.scope(tx, request.from_index, request.until_index, self._signer)
            await outbox.add(tx, entity=("action_log", ""), details=exporting.about(scope, request.filter))
        yield wire.export_header(scope, request.filter, tx.now, self._signer.verifier)
        entries = 0
        async for part in exporting.export(self._db, scope, condition):
            entries += isinstance(part, Exported)
            yield wire.exported(part, self._signer.verifier)
        yield wire.export_end(entries)

    async def EraseSubject(
        self, request: audit_pb2.EraseSubjectRequest, context: Context
    ) -> audit_pb2.EraseSubjectResponse:
        async with self._db.begin() as tx:
            await store.become_sequencer(tx)
            erased = await store.erase(tx, request.subject_id)
            await outbox.add(tx, entity=personal.subject(request.subject_id), details={"values": erased})
            return tx.reply(audit_pb2.EraseSubjectResponse(erased_values=erased))

    async def _committed(self, tx: Transaction, delivered: list[Delivery]) -> list[Committed]:
        """The records' fields with commitments to what in them is about a person; what is new of that is kept."""
        pairs = personal.pairs(delivered)
        known = await store.commitments(tx, pairs) if pairs else {}
        new = [
            personal.disclose(pair, self._random(personal.SALT_BYTES))
            for pair in sorted(pairs - known.keys())
        ]
        await store.disclose(tx, new)
        known |= {(one.subject_id, one.value): one.commitment for one in new}
        return [personal.committed(one, known) for one in delivered]

    async def VerifyLog(
        self, request: audit_pb2.VerifyLogRequest, context: Context
    ) -> audit_pb2.VerifyLogResponse:
        found = await verification.verify(self._db, self._signer.verifier)
        await self._keeper.compare_soon()
        return wire.verdict(found.beside(self._keeper.contradictions))
