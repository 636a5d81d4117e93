"""Exports as a client has them: fetched, written as the edge writes them, and judged."""

from collections.abc import Sequence

from google.protobuf import json_format

from audit.checkpoint import Verifier
from audit.verify.findings import Kept, Verdict
from audit.verify.judgement import Judge
from audit.verify.notes import opened
from mcpanel.audit.v1 import audit_pb2 as pb
from mcpanel.audit.v1 import audit_pb2_grpc
from tests.support.callers import ADMIN, as_caller

Piece = pb.ExportActionLogsResponse
Problems = list[tuple[str, int]]


async def fetched(
    stub: "audit_pb2_grpc.AuditServiceAsyncStub", first: int = 0, until: int = 0, where: str = ""
) -> list[Piece]:
    """The pieces of an export, as an administrator."""
    request = pb.ExportActionLogsRequest(from_index=first, until_index=until, filter=where)
    return [piece async for piece in stub.ExportActionLogs(request, metadata=as_caller(ADMIN))]


def line(piece: Piece) -> str:
    """A piece as a line of JSON, with the fields that Envoy's transcoder prints."""
    return json_format.MessageToJson(piece, indent=None, always_print_fields_with_no_presence=True)


def ndjson(pieces: Sequence[Piece]) -> str:
    """The export as text."""
    return "".join(line(piece) + "\n" for piece in pieces)


def judged(text: str, key: Verifier, kept: Sequence[str] = (), *, part: bool = False) -> Verdict:
    """What `audit.verify` finds; `kept` are notes from elsewhere."""
    notes = [Kept(f"kept {place}", opened(note, [key])) for place, note in enumerate(kept)]
    judge = Judge([key], notes, part=part)
    for one in text.splitlines():
        judge.take(one)
    return judge.verdict()


def problems(
    pieces: Sequence[Piece], key: Verifier, kept: Sequence[str] = (), *, part: bool = False
) -> Problems:
    """What `audit.verify` finds in an export: kinds and indexes."""
    found = judged(ndjson(pieces), key, kept, part=part).problems
    return [(problem.kind.value, problem.index) for problem in found]
