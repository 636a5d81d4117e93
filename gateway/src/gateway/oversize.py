"""Bodies that are too large. The edge sends them here, so that their senders live to read the answer."""

import asyncio
import contextlib
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from chassis.errors import TooLarge

METHODS: Final = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_PATIENCE_SECONDS: Final = 20.0


async def refuse(request: Request) -> Response:
    """Reads the body to its end, keeps nothing of it, and raises TooLarge MESSAGE_TOO_LARGE with the path's limit.

    A client that is still sending when its connection is closed sees a broken connection instead of the answer. The
    edge sends bodies of at most 1 GiB; one that does not come within 20 s is waited for no longer.
    """
    limit: int = request.path_params["limit"]
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            async for _ in request.stream():
                pass
    raise TooLarge("MESSAGE_TOO_LARGE", sentence(limit), metadata={"limit_bytes": str(limit)})


def sentence(limit: int) -> str:
    """What the sender is told; `limit` in bytes."""
    shown = f"{limit // 2**20} MiB" if limit >= 2**20 else f"{limit // 2**10} KiB"
    return f"the body is larger than {shown}; send less, or where the data lies"
