"""Connections to PostgreSQL."""

import asyncio
from typing import Any

import psycopg


async def connect(url: str = "", **options: Any) -> psycopg.AsyncConnection[Any]:
    """Connects as `psycopg.AsyncConnection.connect` does, options and errors alike; when cancelled, hangs up at once.

    psycopg leaves that to the end of the exception, which whoever cancelled may keep; until then, a minute at most,
    PostgreSQL waits for the login to go on.
    """
    try:
        return await psycopg.AsyncConnection.connect(url, **options)
    except asyncio.CancelledError:
        pass  # raised anew below, so that it does not keep the attempt alive as its context
    raise asyncio.CancelledError
