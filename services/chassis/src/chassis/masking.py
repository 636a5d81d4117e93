"""Keeps secrets out of what is written: known formats always, registered values in every usual encoding."""

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias
from urllib.parse import quote, quote_plus

MASK: Final = "***"
_SHORTEST: Final = 4
"""Registered values shorter than this are left alone: masking them would blank out ordinary text."""
_SHORTEST_ENCODED: Final = 6
_LEVELS: Final = 3
"""How often a value is looked for as JSON within JSON."""
_ENCODED_LEVELS: Final = 2
"""How many of these, the value itself included, are looked for URL-encoded, in hex and in base64."""
_UNQUOTED: Final = ("/", "", "!'()*", ";/?:@&=+$,#!'()*")
"""What is left as it is by Python's `quote`, with and without slashes, and by JavaScript's two functions."""
_GLANCE: Final = 16
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
Forms: TypeAlias = tuple[str, tuple[str, ...]]
"""Texts that a secret may be written as, and before them what all of these have in them, which may be nothing."""

_SWALLOWED: Final = re.compile(r"[^\s\"'<>@]*")


class Masker:
    """Replaces secrets by `***`."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._groups: dict[str, list[Forms]] = {}
        self._pattern = re.compile("|".join(_PATTERNS))
        self.add(*values)

    def add(self, *values: str) -> None:
        """Registers secret values; each is masked as it is and as JSON (also within JSON), URL-encoded, hex and base64
        text.
        """
        for value in values:
            if value not in self._groups:
                self._groups[value] = groups(value)

    def mask(self, text: str) -> str:
        """`text` without secrets."""
        shown, at = [], 0
        for start, end in self._found(text):
            shown += [text[at:start], MASK]
            at = end
        return "".join([*shown, text[at:]]) if shown else text

    def _found(self, text: str) -> list[tuple[int, int]]:
        """Where secrets are, in order; those that overlap are one."""
        found = [place for forms in self._forms(text) for form in forms for place in _places(text, form)]
        lowered = text.lower()
        if any(
            sign in lowered for sign in _SIGNS
        ):  # plain searches are far cheaper, and most lines are innocent
            found += [match.span() for match in self._pattern.finditer(text)]
        joined: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if joined and start < joined[-1][1]:
                joined[-1] = joined[-1][0], max(end, joined[-1][1])
            else:
                joined.append((start, end))
        return joined

    def _forms(self, text: str) -> Iterator[tuple[str, ...]]:
        """The forms that may be in the text."""
        for group in self._groups.values():
            for core, forms in group:
                if core in text:
                    yield forms

    def stream(self) -> "MaskStream":
        """A masker for text that arrives in chunks; a secret cut in two by a chunk's edge is still masked."""
        return MaskStream(self)

    def settled(self, text: str) -> int:
        """How much of `text` can be judged now: what follows may be the beginning of a secret."""
        cut = _open(text)
        for group in self._groups.values():
            for _, forms in group:
                for form in forms:
                    cut = min(cut, _begun(text, form))
        for start, end in self._found(text):
            if end > cut >= start:
                return start
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
        cut = self._masker.settled(text)
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


def _places(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Where a form is in the text, from left to right."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + len(form))


def _begun(text: str, form: str) -> int:
    """Where the end of the text begins that may become a form; its length if nothing may."""
    start = text.find(form[0], max(0, len(text) - len(form) + 1))
    while start >= 0:
        if form.startswith(text[start : start + _GLANCE]) and form.startswith(text[start:]):
            return start
        start = text.find(form[0], start + 1)
    return len(text)


def groups(value: str) -> list[Forms]:
    """Every text in which `value` would give itself away."""
    if len(value) < _SHORTEST:
        return []
    written = _escaped(value)
    readable = set(written[-1])
    readable.add(repr(value)[1:-1])
    readable |= {html.escape(value), html.escape(value, quote=False)}
    for one in (one for level in written[:_ENCODED_LEVELS] for one in level):
        for quoted in (*(quote(one, safe=safe) for safe in _UNQUOTED), quote_plus(one)):
            readable |= {quoted, re.sub("%..", _lowered, quoted), quote(quoted, safe="")}
    encoded = set[str]()
    for one in (one for level in written[:_ENCODED_LEVELS] for one in level):
        encoded |= _encoded(one)
    core = max(re.findall("[A-Za-z0-9]*", value), key=len)
    if any(core not in form for form in readable):
        core = ""
    return [(core, _kept(readable)), ("", _kept(encoded))]


def _escaped(value: str) -> list[set[str]]:
    """The value as it is, in JSON, in JSON as a text in JSON and so on."""
    levels = [{value}]
    for _ in range(_LEVELS):
        dumped = {
            json.dumps(one, ensure_ascii=ascii_only)[1:-1]
            for one in levels[-1]
            for ascii_only in (True, False)
        }
        levels.append(dumped)
        levels[-1] |= {one.replace("/", "\\/") for one in levels[-1]} if len(levels) == 2 else set()
    return [*levels, set().union(*levels)]


def _encoded(value: str) -> set[str]:
    """The value in hex and base64."""
    data = value.encode("utf-8", "surrogatepass")
    if len(data) < _SHORTEST_ENCODED:
        return set()
    found = {data.hex(), data.hex().upper()}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            # Inside a longer text the value's base64 has one of three alignments; keep the characters that
            # depend on it alone.
            encoded = encode(b"\0" * offset + data).decode()
            whole = (offset + len(data)) * 8 // 6
            core = encoded[-(-offset * 8 // 6) : whole]
            if len(core) >= _SHORTEST_ENCODED:
                found.add(core)
    return found


def _lowered(match: "re.Match[str]") -> str:
    return match.group().lower()


def _kept(forms: set[str]) -> tuple[str, ...]:
    return tuple(
        sorted((form for form in forms if len(form) >= _SHORTEST), key=lambda form: (-len(form), form))
    )
