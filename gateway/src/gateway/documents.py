"""The documentation pages: Swagger UI and Redoc over `/openapi.json`, every asset served from here."""

import importlib.util
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from gateway import openapi

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_START: Final = """\
window.ui = SwaggerUIBundle({
  url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, persistAuthorization: false,
  defaultModelsExpandDepth: 0, docExpansion: "none", filter: true
});
"""


def routes() -> list[BaseRoute]:
    """`/`, `/docs`, `/redoc`, `/openapi.json` and the assets."""
    assets = _assets()
    return [
        Route("/", _home),
        Route("/openapi.json", _openapi),
        Route("/docs", _swagger),
        Route("/docs/start.js", _start),
        Route("/redoc", _redoc),
        Mount("/docs/swagger", StaticFiles(directory=assets / "swagger-ui-dist")),
        Mount("/docs/redoc", StaticFiles(directory=assets / "redoc" / "bundles")),
    ]


def _assets() -> Path:
    """The folder with Swagger UI's and Redoc's files, which a package carries for offline use."""
    spec = importlib.util.find_spec("drf_spectacular_sidecar")
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        raise RuntimeError("the package drf-spectacular-sidecar, which carries the pages' files, is missing")
    return Path(locations[0]) / "static" / "drf_spectacular_sidecar"


async def _home(_: Request) -> Response:
    return RedirectResponse("/docs")


async def _openapi(_: Request) -> Response:
    return JSONResponse(openapi.document(), headers={"cache-control": "no-cache"})


async def _start(_: Request) -> Response:
    return Response(_START, media_type="text/javascript")


async def _swagger(_: Request) -> Response:
    return _page(
        "MCPanel API",
        '<link rel="stylesheet" href="/docs/swagger/swagger-ui.css">',
        '<div id="swagger-ui"></div><script src="/docs/swagger/swagger-ui-bundle.js"></script>'
        '<script src="/docs/start.js"></script>',
    )


async def _redoc(_: Request) -> Response:
    return _page(
        "MCPanel API reference",
        "",
        '<redoc spec-url="/openapi.json" disable-search="false"></redoc>'
        '<script src="/docs/redoc/redoc.standalone.js"></script>',
    )


def _page(title: str, head: str, body: str) -> Response:
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="/docs/swagger/favicon-32x32.png">{head}</head><body>{body}</body></html>'
    )
    return HTMLResponse(html, headers={"content-security-policy": _POLICY})
