"""The malicious server: an audit service that lies over gRPC, in its exports and in its proofs. With nothing but the
pinned key, and the checkpoints somebody kept, `audit.verify` says where.

Three strengths of it: one that edits what it sends; one that also makes every hash fit; and one that holds the signing
key and signs the new history. Only what was kept elsewhere shows the last one's lie.
"""

import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from audit.verify import __main__ as cli
from chassis.client import channel
from chassis.config import Address, ServiceConfig
from chassis.server import Server
from mcpanel.audit.v1 import audit_pb2 as pb
from mcpanel.audit.v1 import audit_pb2_grpc
from tests.audit.exports import Piece, fetched, ndjson
from tests.audit.malicious.histories import KEPT, SIGNER
from tests.support.callers import TestAuthenticator


@dataclass
class LyingServer(audit_pb2_grpc.AuditServiceServicer):
    """Answers what it is told to."""

    pieces: list[Piece] = field(default_factory=list)
    inclusion: pb.GetInclusionProofResponse = field(default_factory=pb.GetInclusionProofResponse)
    consistency: pb.GetConsistencyProofResponse = field(default_factory=pb.GetConsistencyProofResponse)

    async def ExportActionLogs(
        self, request: pb.ExportActionLogsRequest, context: Any
    ) -> AsyncIterator[Piece]:
        for piece in self.pieces:
            yield piece

    async def GetInclusionProof(self, request: Any, context: Any) -> pb.GetInclusionProofResponse:
        return self.inclusion

    async def GetConsistencyProof(self, request: Any, context: Any) -> pb.GetConsistencyProofResponse:
        return self.consistency


@dataclass
class Suspicion:
    """Somebody who asks the lying server, with the key they pinned and the checkpoints they kept."""

    server: LyingServer
    stub: "audit_pb2_grpc.AuditServiceAsyncStub"
    folder: Path
    capture: pytest.CaptureFixture[str]

    async def finds(self, pieces: Sequence[Piece], *kept: int, part: bool = False) -> list[tuple[str, int]]:
        """What `python -m audit.verify` says of the export: kinds and indexes. `kept` are sizes of checkpoints."""
        self.server.pieces = list(pieces)
        (self.folder / "export.ndjson").write_text(ndjson(await fetched(self.stub)))
        arguments = [
            str(self.folder / "export.ndjson"),
            "--key",
            str(SIGNER.verifier),
            *(["--part"] if part else []),
        ]
        for size in kept:
            (self.folder / f"{size}.note").write_text(KEPT[size])
            arguments += ["--checkpoint", str(self.folder / f"{size}.note")]
        code = cli.run(arguments)
        said = self.capture.readouterr().out.splitlines()
        end = next(at for at, one in enumerate(said) if "verified: " in one)
        assert (code, said[end].startswith("verified")) == ((1, False) if end else (0, True))
        found = [one.partition(":")[0].split() for one in said[:end]]
        return [(kind, int(index)) for kind, index in found]


@pytest.fixture(scope="module")
async def lying() -> AsyncIterator[tuple[LyingServer, Any]]:
    """The lying server on a socket, and a stub to it."""
    with tempfile.TemporaryDirectory(prefix="mcp", dir="/tmp") as sockets:
        config = ServiceConfig(home=Path(sockets), listen=Address(f"unix:{sockets}/a"), metrics_listen=None)
        liar = LyingServer()
        added = [(audit_pb2_grpc.add_AuditServiceServicer_to_server, liar)]
        server = Server(config, added, authenticator=TestAuthenticator())
        await server.start()
        connection = channel(config.listen, peer="audit")
        yield liar, audit_pb2_grpc.AuditServiceStub(connection)
        await server.stop(grace=0)
        await connection.close()


@pytest.fixture
def suspicion(
    lying: tuple[LyingServer, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Suspicion:
    """Whoever asks it."""
    liar, stub = lying
    return Suspicion(liar, stub, tmp_path, capsys)
