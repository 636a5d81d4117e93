"""Requests by chance to every RPC, at the services themselves: no failure of theirs, no hang, no restart."""

import asyncio
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import grpc.aio
from google.rpc import status_pb2

from chassis import contracts
from mcpanel.identity.v1 import identity_pb2, identity_pb2_grpc
from tests.contracts import walk
from tests.contracts.walk import Rpc, Rule
from tests.fuzz.messages import Maker
from tests.support.channels import plain
from tests.support.stack import Stack

HANG_SECONDS: Final = 15.0
"""Longer than any answer to a unary call may take."""
_STREAM_SECONDS: Final = 1.0
_STREAM_MESSAGES: Final = 20
_FAILURES: Final = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.UNAVAILABLE,
}
_OF_RUNS: Final = {"datasources.write", "secrets.reveal"}
"""What only a run's token permits."""
_ENDED: Final = "Internal error from Core"
"""What grpcio says of a message to a stream that has ended in the meantime."""


@dataclass(frozen=True)
class Finding:
    """A request that was answered as none should be."""

    rpc: str
    code: str
    message: str
    request: bytes
    kind: str

    def __str__(self) -> str:
        """The finding with what it takes to repeat it: the request as text, or its bytes when they are no message."""
        try:
            text = str(contracts.message_class(self.kind).FromString(self.request))  # type: ignore[attr-defined]
        except Exception:
            text = ""
        shown = re.sub(r"\s+", " ", text)[:1500] or f"bytes {self.request[:700].hex()}"
        return f"{self.rpc}: {self.code} {self.message}\n    {shown}"

    @property
    def sort(self) -> tuple[str, str, str]:
        """What findings of one cause have in common."""
        return self.rpc, self.code, re.sub(r"[0-9a-f-]{8,}|\d+", "N", self.message)[:120]


@dataclass
class Tally:
    """What was asked and what came back."""

    calls: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)

    def add(self, finding: Finding) -> None:
        """Keeps the smallest request of each sort."""
        known = self.findings.get(finding.sort)
        if known is None or len(finding.request) < len(known.request):
            self.findings[finding.sort] = finding


class Fuzzer:
    """Asks a stack. `run` may be called again."""

    def __init__(self, stack: Stack, seed: int, without: Collection[str] = ()) -> None:
        """`without` are RPCs that are not asked, such as `EngineService.DrainWorker`."""
        self.stack = stack
        self._rpcs = [rpc for rpc in walk.rpcs() if rpc.name not in without]
        self.maker = Maker(seed)
        self.tally = Tally()
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._run_token = ""

    async def run(self, seconds: float, *, at_once: int = 8) -> None:
        """Asks every RPC in turn, `at_once` at a time, for so long; each at least once."""
        await self._spare_own_keys()
        self._run_token = await self._a_run_token()
        end = time.monotonic() + seconds
        turns = self._turns(end)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(self._ask_on(turns))
        finally:
            for channel in self._channels.values():
                await channel.close(None)
            self._channels.clear()

    async def _spare_own_keys(self) -> None:
        """Keeps the suite's own keys and accounts out of the requests: whoever revokes those stops the suite."""
        async with self.stack.http() as http:
            keys = (await http.get("/api/v1/api-keys", params={"pageSize": 1000})).json()["apiKeys"]
        self.maker.forbidden |= {key[name] for key in keys for name in ("id", "ownerId")}

    async def _a_run_token(self) -> str:
        """What a step shows when it writes rows and asks for secrets; empty when there is nothing of either."""
        async with self.stack.http() as http:
            found = [
                [
                    one["id"]
                    for one in (await http.get(f"/api/v1/{path}", params={"pageSize": 50})).json()[key]
                ]
                for path, key in (("external-db-configs", "dataSources"), ("secrets", "secrets"))
            ]
            admin = (await http.get("/auth/me")).json()["principal"]["id"]
        if not any(found):
            return ""
        sources, secrets = found
        wanted = identity_pb2.IssueRunTokenRequest(
            run_id=str(uuid.uuid4()), subject_id=admin, data_source_ids=sources, secret_ids=secrets
        )
        stub: Any = identity_pb2_grpc.IdentityServiceStub(self._channel("identity"))
        answer = await stub.IssueRunToken(wanted, metadata=self.stack.metadata(self.stack.key("engine")))
        return str(answer.token)

    async def _turns(self, end: float) -> AsyncIterator[Rpc]:
        order = list(self._rpcs)
        while True:
            self.maker.random.shuffle(order)
            for rpc in order:
                yield rpc
            if time.monotonic() > end:
                return

    async def _ask_on(self, turns: AsyncIterator[Rpc]) -> None:
        while True:
            try:
                rpc = await anext(turns)
            except StopAsyncIteration:
                return
            await self.ask(rpc)

    async def ask(self, rpc: Rpc) -> None:
        """Asks one RPC once."""
        kind = rpc.method.input_type[1:]
        requests = self.maker.stream(kind) if rpc.method.client_streaming else [self.maker.request(kind)]
        request = requests[0]
        self.tally.calls[rpc.name] += 1
        try:
            async with asyncio.timeout(HANG_SECONDS):
                await self._send(rpc, requests)
        except TimeoutError:
            self.tally.add(Finding(rpc.name, "HANG", f"no answer in {HANG_SECONDS:.0f} s", request, kind))
        except grpc.aio.AioRpcError as error:
            self.tally.codes[error.code().name] += 1
            if error.code() in _FAILURES and not _expected(error) and error.details() != _ENDED:
                self.tally.add(
                    Finding(rpc.name, error.code().name, str(error.details())[:300], request, kind)
                )
        else:
            self.tally.codes["OK"] += 1

    async def _send(self, rpc: Rpc, requests: Sequence[bytes]) -> None:
        service, _, name = rpc.full_name.rpartition(".")
        channel = self._channel(service.split(".")[1])
        path, metadata = f"/{service}/{name}", self._metadata(rpc)
        raw: Any = {"request_serializer": bytes, "response_deserializer": bytes}
        streamed, answered = rpc.method.client_streaming, rpc.method.server_streaming
        content: Any = _several(requests) if streamed else requests[0]
        call: Any
        if not answered:
            unary = channel.stream_unary if streamed else channel.unary_unary
            call = unary(path, **raw)(content, metadata=metadata)
            self._learn(rpc, await call)
            return
        several = channel.stream_stream if streamed else channel.unary_stream
        call = several(path, **raw)(content, metadata=metadata)
        read = 0
        try:
            async with asyncio.timeout(_STREAM_SECONDS):
                async for answer in call:
                    self._learn(rpc, answer)
                    read += 1
                    if read >= _STREAM_MESSAGES:
                        break
        except TimeoutError:
            pass  # a stream with nothing to say
        finally:
            call.cancel()

    def _learn(self, rpc: Rpc, answer: bytes) -> None:
        kind: Any = contracts.message_class(rpc.method.output_type[1:])
        self.maker.remember(kind.FromString(answer))

    def _metadata(self, rpc: Rpc) -> list[tuple[str, str]]:
        if self.maker.random.random() < 0.02:
            return []
        accounts = ["admin"]
        if rpc.rule.permission in _OF_RUNS and self._run_token:
            return [("authorization", f"Bearer {self._run_token}")]
        if rpc.rule.access == Rule.INTERNAL:
            accounts = [Rule.Service.Name(one).lower() for one in rpc.rule.callers] or ["worker"]
        return [("authorization", f"Bearer {self.stack.key(self.maker.random.choice(accounts))}")]

    def _channel(self, service: str) -> grpc.aio.Channel:
        if service not in self._channels:
            address = f"127.0.0.1:{self.stack.ports.port(service)}"
            self._channels[service] = plain(address)
        return self._channels[service]


async def _several(requests: Iterable[bytes]) -> AsyncIterator[bytes]:
    for one in requests:
        yield one


def _expected(error: grpc.aio.AioRpcError) -> bool:
    """Whether a service says that something else cannot be reached, which a request may well have named."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and bool(_reason(error))


def _reason(error: grpc.aio.AioRpcError) -> str:
    trailing: Any = error.trailing_metadata() or ()
    status = status_pb2.Status.FromString(dict(trailing).get("grpc-status-details-bin", b""))
    for detail in status.details:
        if detail.type_url.endswith("ErrorInfo"):
            return str(detail.value.decode(errors="replace"))
    return ""
