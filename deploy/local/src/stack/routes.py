"""The edge's gRPC routes, made from the contracts: what is refused, what is a stream, which service answers."""

from collections.abc import Iterator
from typing import Any, Final

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor

from chassis import contracts
from chassis.rules import Rule, rule_of

Json = dict[str, Any]

# The buffer is REST's: gRPC bounds each message itself.
_NO_BUFFER: Final[Json] = {
    "envoy.filters.http.buffer": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.BufferPerRoute",
        "disabled": True,
    }
}
# Envoy's own `grpc: {}` does not know gRPC-Web.
_GRPC: Final[Json] = {"headers": [{"name": "content-type", "string_match": {"prefix": "application/grpc"}}]}
_RETRY: Final[Json] = {
    "retry_on": "connect-failure,refused-stream",
    "num_retries": 3,
    "retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"},
}


def services() -> list[ServiceDescriptor]:
    """The contracts' services, in the order of their files."""
    files = [contracts.pool().FindFileByName(file.name) for file in contracts.descriptor_set().file]
    return [
        service
        for file in files
        if file.package.startswith("mcpanel.")
        for service in file.services_by_name.values()
    ]


def transcoded() -> list[str]:
    """The services with a REST mapping."""
    return [service.full_name for service in services() if any(map(_has_rest, service.methods))]


def of_methods() -> list[Json]:
    """Every method's route: internal ones are refused, streams have no timeout, the rest goes by its package.

    A service stands behind the cluster that its package names: `mcpanel.engine.v1` behind `engine`.
    """
    return [*_internal(), *_streams(), *_packages()]


def sign_in_paths() -> list[str]:
    """The gRPC paths of what REST has under `/auth/` and anybody may call: a password or a token is tried there."""
    return [
        _path(method)
        for method in _methods()
        if rule_of(method).access == Rule.PUBLIC and _rest(method).startswith("/auth/")
    ]


def _internal() -> Iterator[Json]:
    for method in _methods():
        rule = rule_of(method)
        if rule.access == Rule.INTERNAL and not rule.permission:
            yield {
                "match": {"path": _path(method)},
                "direct_response": {
                    "status": 403,
                    "body": {"inline_string": "this method is for the suite's own services"},
                },
                "typed_per_filter_config": _NO_BUFFER,
            }


def _streams() -> Iterator[Json]:
    for method in _methods():
        if method.client_streaming or method.server_streaming:
            yield {
                "match": {"path": _path(method), **_GRPC},
                "route": {
                    "cluster": _cluster(method.containing_service),
                    "timeout": "0s",
                    "idle_timeout": "0s",
                },
                "typed_per_filter_config": _NO_BUFFER,
            }


def _packages() -> Iterator[Json]:
    clusters = {service.file.package: _cluster(service) for service in services()}
    for package, cluster in clusters.items():
        yield {
            "match": {"prefix": f"/{package}.", **_GRPC},
            "route": {"cluster": cluster, "timeout": "60s", "retry_policy": _RETRY},
            "typed_per_filter_config": _NO_BUFFER,
        }


def _methods() -> Iterator[MethodDescriptor]:
    for service in services():
        yield from service.methods


def _cluster(service: ServiceDescriptor) -> str:
    return service.file.package.split(".")[1]


def _path(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _has_rest(method: MethodDescriptor) -> bool:
    return bool(_rest(method))


def _rest(method: MethodDescriptor) -> str:
    """The path of the method's REST mapping, empty without one."""
    options: Any = method.GetOptions()
    http = options.Extensions[annotations_pb2.http]
    return str(getattr(http, http.WhichOneof("pattern") or "selector", ""))
