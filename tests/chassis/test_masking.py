"""Secrets never reach a log, whatever their form and wherever a chunk ends."""

import base64
import html
import io
import itertools
import json
import logging
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis import logs
from chassis.masking import Masker

KEY = "mcp_abcDEF123456_0000zzzz"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1MSJ9.c2lnbmF0dXJl-_"
SECRET = 'p@ss/w0rd "quoted" ünd+more'
KNOTTY = "a\"b\\c\nd/é'<&> \U0001f511 %"


def dumped(value: str, times: int, *, ascii_only: bool = True) -> str:
    """The value as a text in JSON, in JSON and so on, without the outer quotes."""
    for _ in range(times):
        value = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
    return value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"key {KEY}, ok", "key ***, ok"),
        (f"token={JWT}", "token=***"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("postgresql://user:hunter22@127.0.0.1/db", "postgresql://***@127.0.0.1/db"),
        ("nothing to see: a.b.c, mcp_server, https://host:80/path", None),
    ],
)
def test_known_formats_are_always_masked(text: str, expected: str | None) -> None:
    assert Masker().mask(text) == (text if expected is None else expected)


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET),
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(f"user:{SECRET}!".encode()).decode(),
        base64.b64encode(f"xx{SECRET}yy".encode()).decode(),
    ],
)
def test_a_registered_value_is_masked_in_every_encoding(form: str) -> None:
    masked = Masker([SECRET]).mask(f"before {form} after")

    assert form not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    core = base64.b64encode(SECRET.encode()).decode()[4:-6]
    assert core not in masked


@pytest.mark.parametrize("secret", [SECRET, KNOTTY, '\\"\\"\\'])
def test_a_value_is_masked_in_json_within_json_and_what_is_made_of_that(secret: str) -> None:
    masker = Masker([secret])
    once = dumped(secret, 1)

    for form in (
        *(
            dumped(secret, times, ascii_only=ascii_only)
            for times in (1, 2, 3)
            for ascii_only in (True, False)
        ),
        dumped(dumped(secret, 1, ascii_only=False), 2),
        once.replace("/", "\\/"),
        dumped(once.replace("/", "\\/"), 1),
        quote(once, safe=""),
        re.sub("%..", lambda match: match.group().lower(), quote(secret, safe="!'()*")),
        quote(quote(secret, safe=""), safe=""),
        html.escape(secret),
        once.encode().hex(),
    ):
        assert masker.mask(f"{{{form}}}") == "{***}", form
    for before in ("", "x", "xy"):
        encoded = base64.b64encode(f"{before}{once}!!!".encode()).decode()
        assert len(masker.mask(encoded)) <= len("xxx***xxxxxx"), encoded


@given(
    secrets=st.lists(st.text(min_size=6, max_size=30), min_size=1, max_size=3),
    around=st.lists(st.text(max_size=20), min_size=2, max_size=4),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
def test_a_secret_cut_by_chunks_is_masked_as_if_it_came_whole(
    secrets: list[str], around: list[str], cuts: list[int]
) -> None:
    masker = Masker(secrets)
    written = [*secrets, dumped(secrets[0], 2), dumped(secrets[0], 1, ascii_only=False), KEY, JWT]
    pieces = [part for pair in zip(around, written, strict=False) for part in pair]
    text = " ".join(pieces)
    edges = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})

    stream = masker.stream()
    out = "".join(stream.feed(text[a:b]) for a, b in itertools.pairwise(edges)) + stream.flush()

    assert out == masker.mask(text)
    for secret in secrets:
        if secret in text and secret.strip("*"):
            assert secret not in out


def test_a_stream_hands_on_what_cannot_be_a_secret_at_once() -> None:
    stream = Masker([SECRET]).stream()

    assert stream.feed("hello world\n") == "hello world\n"
    assert stream.feed("line p@ss/w0") == "line "
    assert stream.feed("nder\n") == "p@ss/w0nder\n"


def test_a_stream_never_holds_back_without_bound() -> None:
    stream = Masker().stream()

    out = stream.feed("eyJ" + "a" * 100_000) + stream.feed("b" * 100_000) + stream.feed(" then text\n")

    assert out + stream.flush() == "*** then text\n"


def test_log_lines_are_masked_in_message_extras_and_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure("probe", secrets=["hunter2hunter2"], stream=out)
    try:
        log = logging.getLogger("probe")
        log.info("password hunter2hunter2", extra={"url": "postgresql://u:hunter2hunter2@h/d", "key": KEY})
        try:
            raise ValueError("hunter2hunter2")
        except ValueError:
            log.exception("failed")
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level = handlers, level

    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert "hunter2" not in out.getvalue()
    assert KEY not in out.getvalue()
    assert lines[0]["service"] == "probe"
    assert "ValueError" in lines[1]["traceback"]
