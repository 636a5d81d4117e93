"""Checks the one statement on standard input for `Checker`: `python -m datasources.statements`."""

import json
import resource
import sys
from dataclasses import asdict
from typing import Final

from chassis.errors import Invalid
from datasources.statements.checking import check

_MEMORY: Final = 2 * 1024**3


def main() -> None:
    """Answers with the statement's fields, or with why it is refused."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        answer = asdict(check(sys.stdin.buffer.read().decode()))
        del answer["source"]
    except Invalid as error:
        answer = {"refused": error.message, "metadata": error.metadata}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
