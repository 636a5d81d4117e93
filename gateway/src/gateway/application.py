"""The HTTP side: which path is served by what."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import grpc
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chassis.client import ServiceChannel
from chassis.config import Networks
from chassis.errors import ServiceError
from gateway import documents, oversize, paths, problems
from gateway.actionlogs import Csv
from gateway.artifacts import Download
from gateway.oidc import ExternalLogin
from gateway.session import BrowserSession
from gateway.sse import RunsStream, RunStream
from gateway.suite import Suite
from gateway.tickets import Tickets


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of; `engine` and `audit` are channels for calls in the callers' own name."""

    suite: Suite
    engine: ServiceChannel
    audit: ServiceChannel
    session: BrowserSession
    external: ExternalLogin
    tickets: Tickets


def application(parts: Parts, draining: asyncio.Event, keep_alive: float, proxies: Networks) -> Starlette:
    """The ASGI application. `keep_alive` in seconds; `draining` ends the streams; `proxies` are where the edge is."""

    async def health(_: Request) -> Response:
        answers = await parts.suite.check_all()
        serving = all(answer.serving for answer in answers.values())
        body = {
            "status": "SERVING" if serving else "NOT_SERVING",
            "services": {
                name: {
                    "status": "SERVING" if answer.serving else "NOT_SERVING",
                    "message": answer.message,
                    "latencyMs": round(answer.seconds * 1000, 1),
                }
                for name, answer in answers.items()
            },
        }
        return JSONResponse(body, 200 if serving else 503, {"cache-control": "no-store"})

    found = Starlette(
        routes=[
            Route("/health", health),
            Route(
                "/api/v1/workflow-runs/stream",
                RunsStream(parts.engine, parts.tickets, draining, keep_alive).respond,
            ),
            Route(
                "/api/v1/workflow-runs/{run_id}/stream",
                RunStream(parts.engine, parts.tickets, draining, keep_alive).respond,
            ),
            Route("/api/v1/artifacts/{artifact_id}", Download(parts.engine).respond),
            Route("/auth/oidc/{provider}", parts.external.begin),
            Route("/auth/oidc/{provider}/callback", parts.external.finish),
            Route("/auth/session", parts.session.respond, methods=["GET", "POST", "DELETE"]),
            Route("/api/v1/action-logs.csv", Csv(parts.audit).respond),
            Route("/edge/too-large/{limit:int}/{rest:path}", oversize.refuse, methods=oversize.METHODS),
            *documents.routes(),
        ],
        exception_handlers={ServiceError: problems.service_error, HTTPException: _http_error},
    )
    found.state.proxies = proxies
    return found


async def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    path = request.url.path
    elsewhere, here = set(paths.offered(path)), set[str]()
    if error.status_code == 405:
        here = set((error.headers or {}).get("Allow", "").split(", "))
    if error.status_code in (404, 405) and request.method in elsewhere:
        # Whoever asks did not come by the edge, which would have taken the call to its service.
        text = f"{request.method} {path} is answered at the edge, not by the gateway; send it there"
        return problems.plain(404, grpc.StatusCode.NOT_FOUND, "PATH_NOT_FOUND", text)
    if error.status_code in (404, 405) and (methods := elsewhere | here):
        return _not_offered(request, methods)
    if error.status_code == 404:
        text = f"there is nothing at {request.method} {path}; see /docs"
        if calls := paths.calls(path):
            text = f"there is no ':{path.rpartition(':')[2]}' here; there is {', '.join(calls)}"
        return problems.plain(404, grpc.StatusCode.NOT_FOUND, "PATH_NOT_FOUND", text)
    return problems.plain(error.status_code, grpc.StatusCode.UNKNOWN, "UNEXPECTED", str(error.detail))


def _not_offered(request: Request, methods: Iterable[str]) -> Response:
    allowed = ", ".join(sorted(methods))
    text = f"{request.url.path} does not take {request.method}, but {allowed}; see /docs"
    answer = problems.plain(405, grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_OFFERED", text)
    answer.headers["allow"] = allowed
    return answer
