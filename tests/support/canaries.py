"""Words that nobody else uses, and a search for them in whatever a program writes, in every usual encoding."""

import base64
import math
import re
import secrets
from collections.abc import Iterable, Iterator
from typing import Final

_CUT: Final = 24
"""Characters of a secret that are looked for: its end, which a text cut short in front still has."""
_SHAPES: Final = re.compile(r"eyJ[\w-]{16,}\.eyJ[\w-]{16,}\.[\w-]{16,}|mcp_[A-Za-z0-9]{40,}")
"""What tokens and keys of the suite look like."""


class Canaries:
    """Secrets to plant, which one search finds, and others to look for beside them."""

    def __init__(self) -> None:
        self._core = secrets.token_hex(9)
        self._planted = 0
        self._others: dict[str, str] = {}

    def plant(self) -> str:
        """A new secret. It begins and ends alike, so that half of it is found too."""
        self._planted += 1
        return f"{self._core}-{self._planted}-{self._core}"

    def watch(self, what: str, secret: str) -> None:
        """Looks for a secret that came from elsewhere."""
        assert len(secret) >= 16, what
        self._others[what] = secret

    def found(self, places: Iterable[tuple[str, str]]) -> set[str]:
        """What was found where; empty when all secrets stayed where they were put."""
        wanted = {form: f"planted ({name})" for name, form in forms(self._core)}
        for what, secret in self._others.items():
            wanted |= {form: f"{what} ({name})" for name, form in forms(secret[-_CUT:])}
        result = set()
        for place, text in places:
            result |= {
                f"{what} in {place}: {_around(text, form)}" for form, what in wanted.items() if form in text
            }
            result |= {f"something like a token in {place}: {one[:12]}…" for one in _SHAPES.findall(text)}
        return result


def forms(secret: str) -> Iterator[tuple[str, str]]:
    """Every text in which a secret gives itself away, by the encoding's name."""
    data = secret.encode()
    yield "as it is", secret
    yield "in capitals", secret.upper()
    yield "reversed", secret[::-1]
    yield "hex", data.hex()
    yield "hex in capitals", data.hex().upper()
    yield "with spaces", " ".join(secret)
    yield "as numbers", ", ".join(str(byte) for byte in data)
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # Within a longer text, the characters that depend on the secret alone.
            encoded = encode(b"\0" * offset + data).decode()
            yield f"base64 at {offset}", encoded[math.ceil(offset * 8 / 6) : (offset + len(data)) * 8 // 6]
    yield "base64 twice", base64.b64encode(base64.b64encode(data)).decode()[: len(data) * 16 // 9 - 4]


def _around(text: str, form: str) -> str:
    at = text.index(form)
    return repr(text[max(0, at - 60) : at + len(form) + 20])
