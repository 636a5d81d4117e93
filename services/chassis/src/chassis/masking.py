"""Keeps secrets out of what is written: known formats always, registered values in every usual encoding."""

import base64
import json
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_SHORTEST: Final = 4
"""Registered values shorter than this are left alone: masking them would blank out ordinary text."""
_SHORTEST_ENCODED: Final = 6
_HELD: Final = 16 * 1024
"""How many characters a stream holds back at most, while they may still become a secret."""

_WORD: Final = r"[A-Za-z0-9_\-.~+/=]"
_PATTERNS: Final = (
    r"\bmcp_[A-Za-z0-9_]{8,}",
    r"\beyJ[A-Za-z0-9_-]{4,1024}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?",
    r"(?i:(?<=bearer )|(?<=basic ))" + _WORD + "{8,}",
    r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)",
)
_WORD_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~+/="
_MARKS: Final = ("mcp_", "eyJ")
_SCHEMES: Final = ("bearer ", "basic ")
_SIGNS: Final = ("mcp_", "eyj", "://", *_SCHEMES)
"""Lower-case texts of which each pattern needs one."""
_SWALLOWED: Final = re.compile(r"[^\s\"'<>@]*")


class Masker:
    """Replaces secrets by `***`."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._forms: set[str] = set()
        self._pattern = re.compile("|".join(_PATTERNS))
        self.add(*values)

    def add(self, *values: str) -> None:
        """Registers secret values; each is masked as it is and as JSON, URL-encoded, hex and base64 text."""
        found = set(self._forms)
        for value in values:
            found |= forms(value)
        if found != self._forms:
            self._forms = found
            literal = [re.escape(form) for form in sorted(found, key=len, reverse=True)]
            self._pattern = re.compile("|".join([*literal, *_PATTERNS]))

    def mask(self, text: str) -> str:
        """`text` without secrets."""
        return self._pattern.sub(MASK, text) if self._suspicious(text) else text

    def _suspicious(self, text: str) -> bool:
        """Whether any pattern can match at all: plain searches are far cheaper than the pattern, and most lines are
        innocent."""
        lowered = text.lower()
        if any(sign in lowered for sign in _SIGNS):
            return True
        return any(form in text for form in self._forms)

    def stream(self) -> "MaskStream":
        """A masker for text that arrives in chunks; a secret cut in two by a chunk's edge is still masked."""
        return MaskStream(self)

    def _settled(self, text: str) -> int:
        """How much of `text` can be judged now: what follows may be the beginning of a secret."""
        cut = _open(text)
        for form in self._forms:
            for length in range(min(len(form) - 1, len(text)), len(text) - cut, -1):
                if text.endswith(form[:length]):
                    cut = len(text) - length
                    break
        for match in self._pattern.finditer(text):
            if match.end() > cut >= match.start():
                return match.start()
        return cut


class MaskStream:
    """Masks one stream of text. Made by `Masker.stream`."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._held = ""
        self._swallowing = False

    def feed(self, chunk: str) -> str:
        """Takes the next chunk; returns what is now known to be free of secrets (it may lag behind)."""
        text = self._held + chunk
        if self._swallowing:
            match = _SWALLOWED.match(text)
            text = text[match.end() if match else 0 :]
            if not text:
                self._held = ""
                return ""
            self._swallowing = False
        cut = self._masker._settled(text)
        self._held = text[cut:]
        ready = self._masker.mask(text[:cut])
        if len(self._held) > _HELD:
            # Too long to hold: whatever it is, it began as a secret does, so the rest of the word goes too.
            self._held, self._swallowing = "", True
            return ready + MASK
        return ready

    def flush(self) -> str:
        """What is left at the end of the stream, masked."""
        held, self._held = self._held, ""
        return self._masker.mask(held)


def _open(text: str) -> int:
    """Where the end of `text` begins that may still grow into one of the patterns; its length if nothing may.

    Plain string searches, since a regular expression that looks for an end is quadratic on hostile text.
    """
    word = len(text.rstrip(_WORD_CHARACTERS))
    cut = len(text)
    for mark in _MARKS:
        found = text.find(mark, word)
        cut = min(cut, found if found >= 0 else cut, len(text) - _overlap(text, mark))
    lowered = text[max(0, word - 8) : word].lower()
    end = text[-8:].lower()
    for scheme in _SCHEMES:
        if lowered.endswith(scheme):
            cut = min(cut, word - len(scheme))
        cut = min(cut, len(text) - _overlap(end, scheme))
    run = max(text.rfind(space) for space in " \t\r\n") + 1
    url = text.rfind("://", run)
    if url >= 0 and not {"/", "@"} & set(text[url + 3 :]):
        cut = min(cut, url)
    return min(cut, len(text) - _overlap(text, "://"))


def _overlap(text: str, begun: str) -> int:
    """How many characters at the end of `text` are the beginning of `begun`."""
    return next((length for length in range(len(begun), 0, -1) if text.endswith(begun[:length])), 0)


def forms(value: str) -> set[str]:
    """Every text in which `value` would give itself away."""
    if len(value) < _SHORTEST:
        return set()
    found = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    found |= {quote(value), quote(value, safe=""), quote_plus(value)}
    data = value.encode()
    if len(data) >= _SHORTEST_ENCODED:
        found |= {data.hex(), data.hex().upper()}
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            for offset in range(3):
                # Inside a longer text the value's base64 has one of three alignments; keep the characters that
                # depend on it alone.
                encoded = encode(b"\0" * offset + data).decode()
                whole = (offset + len(data)) * 8 // 6
                core = encoded[-(-offset * 8 // 6) : whole]
                if len(core) >= _SHORTEST_ENCODED:
                    found.add(core)
    return {form for form in found if len(form) >= _SHORTEST}
