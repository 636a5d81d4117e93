"""Channels that show what came over the wire, which the services' own translate."""

from typing import Any

import grpc.aio

from chassis.sending import keep_answer


def plain(address: str) -> grpc.aio.Channel:
    """An insecure `grpc.aio` channel, which tells what a stream of requests was answered however early that was."""
    channel: Any = grpc.aio.insecure_channel(address)
    channel.stream_unary = _answered(channel.stream_unary)
    channel.stream_stream = _answered(channel.stream_stream)
    return channel  # type: ignore[no-any-return]


def _answered(make: Any) -> Any:
    def made(*args: Any, **kwargs: Any) -> Any:
        method = make(*args, **kwargs)

        def call(*given: Any, **options: Any) -> Any:
            started = method(*given, **options)
            keep_answer(started)
            return started

        return call

    return made
