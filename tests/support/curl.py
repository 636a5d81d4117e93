"""A stand-in for curl, for machines that have none: as much of it as the documentation's commands ask for.

`install(folder)` puts a program of that name there. It speaks real HTTP and ends as curl does: with 22 for an answer
of 400 or more under `--fail-with-body`, with 28 when `-m` or `--max-time` is over, with 7 when nobody answers.
"""

import argparse
import sys
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import quote_plus

import httpx

_FAILED, _UNREACHABLE, _TIMED_OUT = 22, 7, 28
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


def install(folder: Path) -> Path:
    """Puts `curl` into the folder; returns it."""
    program = folder / "curl"
    root = Path(__file__).parents[2]
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m tests.support.curl "$@"\n')
    program.chmod(0o700)
    return program


def main() -> int:
    """Asks; returns the exit code."""
    asked = _parser().parse_args()
    data = "&".join([*asked.data, *map(_encoded, asked.data_urlencode)])
    url = f"{asked.url}?{data}" if asked.get and data else asked.url
    content = None if asked.get or not data else data.encode()
    headers = dict(_FORM if content else {}) | dict(one.split(": ", 1) for one in asked.header)
    method = asked.request or ("POST" if content else "GET")
    end = monotonic() + (asked.most or asked.max_time)
    try:
        with (
            httpx.Client(trust_env=False, timeout=end - monotonic()) as client,
            client.stream(method, url, headers=headers, content=content) as answer,
            open(asked.output or 1, "wb", closefd=bool(asked.output)) as output,
        ):
            for chunk in answer.iter_raw():
                output.write(chunk)
                output.flush()
                if monotonic() > end:
                    return _TIMED_OUT
    except httpx.TimeoutException:
        return _TIMED_OUT
    except httpx.TransportError:
        return _UNREACHABLE
    sys.stdout.write(asked.write_out.replace("%{http_code}", str(answer.status_code)).replace("\\n", "\n"))
    return _FAILED if asked.fail_with_body and answer.status_code >= 400 else 0


def _encoded(text: str) -> str:
    name, _, value = text.partition("=")
    return f"{name}={quote_plus(value)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    for flags in (("-s",), ("-N",), ("-G", "--get"), ("--fail-with-body",)):
        parser.add_argument(*flags, action="store_true")
    for flags in (("-H", "--header"), ("-d", "--data"), ("--data-urlencode",)):
        parser.add_argument(*flags, action="append", default=[])
    for flags in (("-X", "--request"), ("-o", "--output"), ("-w", "--write-out"), ("--noproxy",)):
        parser.add_argument(*flags, default="")
    parser.add_argument("-m", dest="most", type=float)
    parser.add_argument("--max-time", type=float, default=60.0)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
