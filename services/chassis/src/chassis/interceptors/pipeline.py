"""The layers, put together; see the package's docstring for their order and why."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import grpc.aio
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from chassis.authentication import Authenticator
from chassis.config import NOWHERE, Networks
from chassis.context import Call, use
from chassis.errors import ServiceError
from chassis.guards import ReplayAnswer, refuse_open_transaction
from chassis.interceptors import context as context_layer
from chassis.interceptors.authentication import authenticate
from chassis.interceptors.errors import answer, translate
from chassis.interceptors.policy import allow
from chassis.interceptors.refusals import RefusalHook, note_failure
from chassis.interceptors.rest import check_address
from chassis.interceptors.streams import Standing, Streams
from chassis.interceptors.telemetry import observed
from chassis.interceptors.validation import Unreadable, reader, validate
from chassis.rules import Method
from chassis.statuses import to_status

if TYPE_CHECKING:
    _Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:  # generic in the stubs only
    _Interceptor = grpc.aio.ServerInterceptor

_LAST_WORD_SECONDS: Final = 2.0

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class Pipeline(_Interceptor):
    """Wraps every handler of the services whose methods it is given; others (health, reflection) pass
    untouched.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        authenticator: Authenticator,
        draining: asyncio.Event,
        refusals: RefusalHook | None = None,
        proxies: Networks = NOWHERE,
        *,
        secured: bool = False,
    ) -> None:
        """`proxies` are the networks of those who may say for whom they ask (x-forwarded-for); `secured`, that every
        peer has shown a certificate, which says so better.
        """
        self._methods = methods
        self._authenticator = authenticator
        self._streams = Streams(authenticator)
        self._draining = draining
        self._refusals = refusals
        self._proxies = proxies
        self._secured = secured
        self._wrapped: dict[str, Any] = {}

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """The wrapped handler of the called method; None when there is no such method."""
        path = str(handler_call_details.method)
        known = self._wrapped.get(path)
        if known is not None:
            return known
        handler = await continuation(handler_call_details)
        method = self._methods.get(path)
        if handler is None or method is None:
            return handler
        self._wrapped[path] = self._wrap(method, handler)
        return self._wrapped[path]

    def _wrap(self, method: Method, handler: Any) -> Any:
        serializers = {
            "request_deserializer": reader(handler.request_deserializer),
            "response_serializer": handler.response_serializer,
        }
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._streaming(method, handler.stream_stream), **serializers
            )
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                self._unary(method, handler.stream_unary), **serializers
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(method, handler.unary_stream), **serializers
            )
        return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), **serializers)

    def _unary(self, method: Method, behaviour: Any) -> Any:
        """A handler with one answer."""

        async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            async def run(call: Call) -> Any:
                argument, inner = await self._admit(method, call, request, context)
                return await behaviour(argument, inner)

            return await self._around(method, context, run)

        return handle

    def _streaming(self, method: Method, behaviour: Any) -> Any:
        """A handler with a stream of answers. The handler may yield, or write to the context."""

        async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            async def run(call: Call) -> None:
                argument, inner = await self._admit(method, call, request, context)
                with self._streams.opened(call) as standing:
                    await send(call, standing, behaviour(argument, inner))

            async def send(call: Call, standing: Standing, answers: Any) -> None:
                if not hasattr(answers, "__aiter__"):
                    await answers
                    return
                begun = False
                try:
                    async for message in answers:
                        # The client may take its time over each message.
                        refuse_open_transaction("a message was yielded")
                        await standing.check()
                        await context.write(message)
                        begun = True
                except (asyncio.CancelledError, grpc.aio.AbortError):
                    raise
                except Exception as error:  # translated where every failure is
                    failure = translate(error, call)
                    if begun:
                        await _say_last(method, call, context, failure)
                    raise failure from error
                finally:
                    await answers.aclose()

            await self._around(method, context, run)

        return handle

    async def _around(
        self,
        method: Method,
        context: grpc.aio.ServicerContext[Any, Any],
        run: Callable[[Call], Awaitable[Any]],
    ) -> Any:
        call = context_layer.make(method, context, self._draining, self._proxies, secured=self._secured)
        with use(call), observed(method, call):
            try:
                return await run(call)
            except ReplayAnswer as replay:
                return method.response.FromString(replay.response)
            except grpc.aio.AbortError:
                call.code = _aborted(context)
                raise
            except asyncio.CancelledError:
                call.code = "CANCELLED"
                raise
            except (
                Exception
            ) as error:  # every failure becomes a status; unknown ones are logged with their traceback
                failure = translate(error, call)
            await note_failure(self._refusals, call, failure)
            return await answer(context, call, failure)

    async def _admit(
        self, method: Method, call: Call, request: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> tuple[Any, Any]:
        """Authentication, policy, validation: returns the request and the context to hand to the handler."""
        if isinstance(request, Message):
            call.request = request  # for the record, should it be refused
        await authenticate(call, self._authenticator)
        allow(call)
        check_address(call, cast("Descriptor", method.request.DESCRIPTOR))
        if method.client_streaming:
            return _validated(request), CheckedContext(context)
        validate(request)
        context_layer.adopt(call, request, repeatable=not method.server_streaming)
        return request, context


async def _say_last(
    method: Method, call: Call, context: grpc.aio.ServicerContext[Any, Any], failure: ServiceError
) -> None:
    """Ends a stream that has begun with a message that says why, where its contract has a `google.rpc.Status error`.

    Over REST such a stream is a 200 already, and shows no status. A client that does not read is not waited for.
    """
    field = method.response.DESCRIPTOR.fields_by_name.get("error")
    if field is None or field.message_type is None or field.message_type.full_name != "google.rpc.Status":
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LAST_WORD_SECONDS):
            await context.write(method.response(error=to_status(failure, call.trace_id)))


class CheckedContext:
    """The handler's context on RPCs with a request stream: `read()` validates, everything else is gRPC's own."""

    def __init__(self, inner: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._inner = inner

    async def read(self) -> Any:
        """The next request, validated, or `grpc.aio.EOF`."""
        message = await self._inner.read()
        if isinstance(message, Message | Unreadable):
            validate(message)
        return message

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


async def _validated(requests: AsyncIterator[Message]) -> AsyncIterator[Message]:
    async for message in requests:
        validate(message)
        yield message


def _aborted(context: grpc.aio.ServicerContext[Any, Any]) -> str:
    code = context.code()
    return code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"
