"""The tokens with which a run's steps read its data sources and secrets: one a run, kept in memory only."""

import time
from typing import Final

from chassis.client import ServiceChannel
from chassis.context import use
from engine.plan import Plan
from engine.records import RunInfo
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc

_SPARE: Final = 300.0
"""Seconds of validity that a token must have left to be handed out."""


_MOST: Final = 1000


class Tokens:
    """Asks identity for a run's token, once."""

    def __init__(self, channel: ServiceChannel) -> None:
        self._stub = identity_pb2_grpc.IdentityServiceStub(channel)
        self._by_run: dict[str, tuple[float, str]] = {}

    async def get(self, info: RunInfo, plan: Plan) -> str:
        """The run's token. Raises ServiceError when identity does not give one."""
        known = self._by_run.get(info.id)
        if known is not None and known[0] > time.time() + _SPARE:
            return known[1]
        request = identity_pb2.IssueRunTokenRequest(
            run_id=info.id,
            subject_id=info.started_by,
            subject_name=info.started_by_name,
            data_source_ids=plan.data_source_ids,
            secret_ids=plan.secret_ids,
        )
        with use(None):
            answer = await self._stub.IssueRunToken(request, timeout=5)
        if len(self._by_run) >= _MOST:
            now = time.time()
            self._by_run = {run_id: one for run_id, one in self._by_run.items() if one[0] > now + _SPARE}
        self._by_run[info.id] = (float(answer.expires_at.seconds), answer.token)
        return str(answer.token)

    def forget(self, run_id: str) -> None:
        """Drops the token of a run that has ended."""
        self._by_run.pop(run_id, None)
