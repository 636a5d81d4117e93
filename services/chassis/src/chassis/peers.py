"""The names by which the suite's processes know each other in certificates: `engine.mcpanel.internal`."""

from collections.abc import Iterable
from typing import Final

DOMAIN: Final = "mcpanel.internal"


def host(process: str) -> str:
    """The name in a process's certificate."""
    return f"{process}.{DOMAIN}"


def process_of(names: Iterable[str]) -> str:
    """The process that a certificate's names are of; empty when it is none of the suite's."""
    suffix = f".{DOMAIN}"
    return next((name.removesuffix(suffix) for name in names if name.endswith(suffix)), "")
