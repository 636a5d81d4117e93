"""Where a running attempt's words go: lines to the stream, files to the engine, queries and secrets to datasources."""

import asyncio
import contextlib
import random
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import IO, Any, Final, TypeVar

from chassis import errors, jsonvalue
from mcpanel.datasources.v1 import datasources_pb2 as ds
from mcpanel.datasources.v1 import datasources_pb2_grpc as ds_grpc
from mcpanel.datasources.v1 import secrets_pb2
from mcpanel.datasources.v1 import secrets_pb2_grpc as secrets_grpc
from mcpanel.engine.v1 import run_pb2
from mcpanel.engine.v1 import worker_pb2 as pb
from mcpanel.engine.v1 import worker_pb2_grpc as pb_grpc
from worker import failpoints, fitting, rows, used
from worker.cells.attempt import Outcome, Shape
from worker.cells.calls import Called, ToolCall
from worker.cells.pipes import RequestError
from worker.cells.usage import Budget
from worker.executors.program import Program
from worker.outgoing import Outgoing
from worker.words import Words

_CHUNK: Final = 512 * 1024
_IN_MEMORY: Final = 1024 * 1024
_PATIENCE: Final = 60.0
"""How long an upload or a query waits for a service that is away, in seconds."""

_RESETS: Final = 5

T = TypeVar("T")


class AttemptSink:
    """The sink of one attempt."""

    def __init__(
        self,
        assignment: pb.EngineMessage.Assignment,
        program: Program,
        outgoing: Outgoing,
        engine: "pb_grpc.WorkerServiceAsyncStub",
        datasources: "ds_grpc.DataSourceServiceAsyncStub",
        *,
        secrets: "secrets_grpc.SecretServiceAsyncStub",
        waits: Callable[[bool], None],
    ) -> None:
        """`waits` is told when the attempt begins to wait for a component that it calls, and when it has waited."""
        self._ref = assignment.ref
        self._token = assignment.data_source_token
        self._key = assignment.idempotency_key
        self._program = program
        self._outgoing = outgoing
        self._engine = engine
        self._datasources = datasources
        self._secrets = secrets
        self._waits = waits
        self._calls = 0
        self._words = Words()
        self._told: dict[str, str] = {}
        """The secrets that the attempt asked for, by name."""

    def log(self, stream: str, level: str, message: str, *, more: bool = False) -> None:
        """Sends a line, or a piece of one, secrets masked."""
        self._outgoing.log(self._ref, stream, level, self._words.line(stream, message, more=more))

    def progress(self, fraction: float, message: str) -> None:
        """Sends how far the step is."""
        said = self._words.cut(message)
        report = pb.WorkerMessage.ProgressReport(ref=self._ref, fraction=fraction, message=said)
        self._outgoing.newest(self._ref, "progress", pb.WorkerMessage(progress=report))

    def preview(self, value_json: bytes) -> None:
        """Sends an intermediate value, secrets masked."""
        report = pb.WorkerMessage.PreviewReport(ref=self._ref, value_json=self._words.value(value_json))
        self._outgoing.newest(self._ref, "preview", pb.WorkerMessage(preview=report))

    def tool_call(self, call: ToolCall) -> None:
        """Sends a call of a tool, secrets masked."""
        self._outgoing.tool_call(self._ref, _message(call, self._words))

    async def artifact(self, name: str, media_type: str, chunks: AsyncIterator[bytes]) -> dict[str, Any]:
        """Stores a file with the engine; its record. Raises RequestError."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            async for chunk in chunks:
                file.write(chunk)
            try:
                header = pb.UploadArtifactRequest.Header(ref=self._ref, name=name, media_type=media_type)
                failpoints.reach("upload.before")
                response = await patiently(lambda: self._engine.UploadArtifact(_upload(header, file)))
                failpoints.reach("upload.after")
            except errors.ServiceError as error:
                raise RequestError(f"the artifact '{name}' was not stored: {error.message}") from None
        stored = response.artifact
        return {
            "artifact_id": stored.id,
            "name": stored.name,
            "media_type": stored.media_type,
            "size": stored.size_bytes,
            "sha256": stored.sha256,
        }

    async def output(self, shape: Shape, chunks: AsyncIterator[bytes]) -> str:
        """Stores a large output with the engine; the artifact's id. Raises RequestError."""
        header = pb.UploadArtifactRequest.Header(
            ref=self._ref, name="output.json", is_output=True, items=shape.items, kinds=shape.kinds
        )
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            async for chunk in chunks:
                file.write(chunk)
            if why := await fitting.of_large_output(self._program.gives, file):
                raise RequestError(why)
            try:
                response = await patiently(lambda: self._engine.UploadArtifact(_upload(header, file)))
            except errors.TooLarge as error:
                raise RequestError(f"the output was not stored: {error.message}") from None
            except errors.ServiceError as error:
                raise RequestError(f"the output was not stored: {error.message}", "INTERNAL") from None
        return response.artifact.id

    async def read_artifact(self, artifact_id: str) -> AsyncIterator[bytes]:
        """The content of a file that a step of the run has stored. Raises RequestError."""
        try:
            request = pb.ReadStepArtifactRequest(ref=self._ref, artifact_id=artifact_id)
            ended = False
            async for response in self._engine.ReadStepArtifact(request):
                if response.WhichOneof("item") == "chunk":
                    yield response.chunk
                ended = response.HasField("end")
        except errors.ServiceError as error:
            raise RequestError(f"the artifact '{artifact_id}' cannot be read: {error.message}") from None
        if not ended:
            raise RequestError(f"the artifact '{artifact_id}' was not sent to its end; try again")

    async def query(
        self, source: str, sql: str, params: Any, max_rows: int
    ) -> AsyncIterator[dict[str, Any] | list[Any]]:
        """Runs a query with the run's token: columns first, then rows, then the end. Raises RequestError."""
        request = self._request(source, sql, params, max_rows)
        waited = 0.0
        while True:
            begun = False
            call = self._datasources.ExecuteQuery(
                request, metadata=(("authorization", f"Bearer {self._token}"),)
            )
            try:
                async for response in call:
                    begun = True
                    if not response.HasField("error"):  # the call's own status says it next
                        yield _part(response)
            except errors.Unavailable as error:
                if begun or waited > _PATIENCE:
                    raise RequestError(f"the query on '{source}' failed: {error.message}") from None
                waited += await _pause(waited)
            except errors.NotFound:
                raise self._deleted("data source", source) from None
            except errors.ServiceError as error:
                raise RequestError(f"the query on '{source}' failed: {error.message}") from None
            else:
                return
            finally:
                with contextlib.suppress(Exception):
                    call.cancel()  # a query nobody waits for stops at its database

    async def write(self, source: str, table: str, chunks: AsyncIterator[bytes], *, replace: bool) -> int:
        """Writes rows with the run's token; how many. Raises RequestError.

        While datasources is away, what replaces is tried again; what appends is not, since it may have been written.
        """
        mode = ds.WriteRowsRequest.REPLACE if replace else ds.WriteRowsRequest.APPEND
        header = ds.WriteRowsRequest.Header(
            data_source_id=self._linked(source), table=table, mode=mode, idempotency_key=self._key
        )
        metadata = (("authorization", f"Bearer {self._token}"),)
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
            await rows.keep(file, chunks)

            def call() -> Awaitable[ds.WriteRowsResponse]:
                return self._datasources.WriteRows(rows.requests(header, file), metadata=metadata)

            try:
                answer = await (patiently(call) if replace else call())
            except errors.NotFound:
                raise self._deleted("data source", source) from None
            except errors.ServiceError as error:
                cut_off = isinstance(error, (errors.Unavailable, errors.Internal)) and not replace
                doubt = "; whether its rows were appended is not known" if cut_off else ""
                raise RequestError(f"the write to '{source}' failed: {error.message}{doubt}") from None
        return int(answer.row_count)

    async def secret(self, name: str) -> str:
        """The value of a linked secret, asked for with the run's token; an attempt asks once. Raises RequestError.

        From now on it is masked in what the attempt says.
        """
        if name in self._told:
            return self._told[name]
        linked = self._program.secrets
        if name not in linked or not self._token:
            names = ", ".join(sorted(linked)) or "none"
            raise RequestError(f"the secret '{name}' is not linked to this component (linked: {names})")
        request = secrets_pb2.RevealSecretRequest(secret_id=linked[name])
        metadata = (("authorization", f"Bearer {self._token}"),)
        try:
            answer = await patiently(lambda: self._secrets.RevealSecret(request, metadata=metadata))
        except errors.NotFound:
            raise self._deleted("secret", name) from None
        except errors.ServiceError as error:
            raise RequestError(f"the secret '{name}' could not be read: {error.message}") from None
        self._words.learn(answer.secret_value)
        return self._told.setdefault(name, answer.secret_value)

    async def call(self, tool: str, inputs: bytes, budget: Budget | None) -> Called:
        """Calls a component that is one of the program's tools, and waits for its end. Raises RequestError."""
        version_id = self._program.tools.get(tool)
        if version_id is None:
            raise RequestError(f"there is no component '{tool}' among the tools")
        self._calls += 1
        request = pb.CallComponentRequest(
            ref=self._ref,
            version_id=version_id,
            inputs_json=inputs,
            number=self._calls,
            budget=used.budget(budget),
        )
        self._waits(True)
        try:
            return await patiently(lambda: self._called(request))
        except errors.ServiceError as error:
            raise RequestError(f"the component '{tool}' could not be called: {error.message}") from None
        finally:
            self._waits(False)

    async def _called(self, request: pb.CallComponentRequest) -> Called:
        """One try to follow a call to its end. Raises ServiceError."""
        run_id = ""
        call = self._engine.CallComponent(request)
        try:
            async for response in call:
                if response.HasField("started"):
                    run_id = response.started.run_id
                elif response.HasField("end"):
                    return _ended(run_id, response.end)
        finally:
            with contextlib.suppress(Exception):
                call.cancel()
        raise errors.Unavailable("DEPENDENCY_UNAVAILABLE", "the engine ended the call before its end")

    def hide(self, outcome: Outcome) -> Outcome:
        """The outcome with the secrets masked in what a failure says; an output is the step's own to decide."""
        failure = outcome.failure
        if failure is None:
            return outcome
        said = replace(
            failure,
            message=self._words.cut(failure.message),
            traceback=self._words.cut(failure.traceback),
        )
        return replace(outcome, failure=said)

    def _request(self, source: str, sql: str, params: Any, max_rows: int) -> ds.ExecuteQueryRequest:
        source_id = self._linked(source)
        try:
            request = ds.ExecuteQueryRequest(data_source_id=source_id, sql=sql, max_rows=max_rows)
            if isinstance(params, dict):
                request.named_parameters.CopyFrom(jsonvalue.to_struct(params))
            elif params:
                request.parameters.extend(jsonvalue.to_value(value) for value in params)
        except (TypeError, ValueError) as error:
            raise RequestError(f"the query on '{source}' cannot be sent: {error}") from None
        return request

    def _linked(self, source: str) -> str:
        """The id of the linked data source of this name. Raises RequestError."""
        source_id = self._program.data_sources.get(source)
        if source_id is None or not self._token:
            linked = ", ".join(sorted(self._program.data_sources)) or "none"
            raise RequestError(
                f"the data source '{source}' is not linked to this component (linked: {linked})"
            )
        return source_id

    def _deleted(self, what: str, name: str) -> RequestError:
        return RequestError(
            f"the {what} '{name}', which the component '{self._program.component}' links, was deleted; "
            "link another in the component's next version"
        )


def _message(call: ToolCall, words: Words) -> run_pb2.ToolCall:
    """The call as the contract's, as it may leave the worker; whose it is stands beside it."""
    message = run_pb2.ToolCall(
        call=call.call,
        tool=words.plain(call.tool),
        status=call.status,
        arguments_omitted=call.arguments_omitted,
        message=words.plain(call.message),
        started_run_id=call.started_run_id,
    )
    if call.arguments is not None:
        message.arguments.CopyFrom(jsonvalue.to_value(words.plain_value(call.arguments)))
    if call.seconds is not None:
        message.duration.FromTimedelta(timedelta(seconds=call.seconds))
    return message


def _part(response: ds.ExecuteQueryResponse) -> dict[str, Any] | list[Any]:
    kind = response.WhichOneof("item")
    if kind == "columns":
        columns = response.columns.columns
        return {"columns": [one.name for one in columns], "types": [one.type for one in columns]}
    if kind == "rows":
        return [jsonvalue.from_list(row) for row in response.rows.rows]
    return {"end": True, "truncated": response.end.truncated}


def _ended(run_id: str, end: pb.CallComponentResponse.End) -> Called:
    """What a call came to."""
    spent = used.called(end.usage) if end.HasField("usage") else None
    if end.status == run_pb2.Run.SUCCESS:
        return Called(run_id, end.output_json, truncated=end.truncated, usage=spent)
    status = run_pb2.Run.Status.Name(end.status)
    return Called(run_id, b"null", failure=end.error.message or f"its run ended as {status}", usage=spent)


async def _upload(
    header: pb.UploadArtifactRequest.Header, file: IO[bytes]
) -> AsyncIterator[pb.UploadArtifactRequest]:
    file.seek(0)
    yield pb.UploadArtifactRequest(header=header)
    while chunk := file.read(_CHUNK):
        yield pb.UploadArtifactRequest(chunk=chunk)


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """The call's answer; repeats it while the service is away, for a minute at most.

    A stream that the other end resets while it is being written arrives as INTERNAL: that, too, is repeated a little.
    """
    waited = 0.0
    resets = 0
    while True:
        try:
            return await call()
        except (errors.Unavailable, errors.Internal) as error:
            resets += isinstance(error, errors.Internal)
            if waited > _PATIENCE or resets > _RESETS:
                raise
            waited += await _pause(waited)


async def _pause(waited: float) -> float:
    seconds = min(2.0, 0.1 + waited) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter
    await asyncio.sleep(seconds)
    return seconds
