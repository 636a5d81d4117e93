"""The kinds of components that the hostile suite is tried with. A new one is one entry of `KINDS`."""

import json
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.worker.hostile.attacks import ATTACKS, PREAMBLE
from tests.worker.hostile.endings import ENDINGS, Ending
from tests.worker.support.cells import LIMITS
from worker.cells.limits import MIB, Limits
from worker.cells.profile import PYTHON, Profile

ROOMY: Final = Limits(
    memory=512 * MIB,
    scratch=LIMITS.scratch,
    file_size=LIMITS.file_size,
    processes=64,
    log_bytes=LIMITS.log_bytes,
)
"""For programs with packages of some size."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Components that run Python: how one becomes of a source whose function `attack` is to be called.

    `component` gives code and config of a job; `answer` finds what `attack` returned in the attempt's output.
    """

    name: str
    component: Callable[[str], tuple[str, dict[str, Any]]]
    profile: Profile = PYTHON
    toolbox: str = ""
    limits: Limits = LIMITS
    answer: Callable[[Any], Any] = lambda output: output
    sweeps: bool = False
    """Whether its program ends what the component leaves running, so that this is no failure."""
    files: frozenset[str] = frozenset()
    """What it finds in /work by itself."""

    @property
    def endings(self) -> tuple[Ending, ...]:
        """The endings that are tried with it."""
        tried = (one for one in ENDINGS if one.everywhere or self.name == "python")
        return tuple(one for one in tried if not (self.sweeps and one.message.startswith("left processes")))


def _script(source: str) -> tuple[str, dict[str, Any]]:
    return f"{source}\ndef main():\n    return attack()\n", {}


def _notebook(source: str) -> tuple[str, dict[str, Any]]:
    cell = {"id": "attack", "type": "code", "content": f"{source}\noutputs = attack()", "tags": []}
    return "", {"cells": [cell], "ipynb": "", "parameters": {}}


def _server(source: str) -> tuple[str, dict[str, Any]]:
    """An MCP server whose one tool attacks."""
    code = (
        f"{source}\n"
        "from mcp.server.mcpserver import MCPServer\n"
        "server = MCPServer('attack', log_level='ERROR')\n"
        "@server.tool(name='attack')\n"
        "def tool() -> str:\n"
        "    return json.dumps(attack())\n"
        "server.run()\n"
    )
    server = {"name": "attack", "command": "python", "args": ["attack.py"]}
    files = [{"path": "attack.py", "content": code}]
    return "", {"server": server, "tool": "attack", "pinned_tools": {}, "files": files}


KINDS: Final = (
    Kind("python", _script),
    Kind(
        "notebook",
        _notebook,
        Profile(program="notebook", listens=True),
        toolbox="notebook",
        limits=ROOMY,
    ),
    Kind(
        "server",
        _server,
        Profile(program="protocol"),
        toolbox="protocol",
        limits=ROOMY,
        answer=lambda output: json.loads(output["structured"]["result"]),
        sweeps=True,
        files=frozenset({"attack.py"}),
    ),
)


def source(body: str, given: Mapping[str, Any]) -> str:
    """A source whose `attack` has this body."""
    return f"{PREAMBLE}\nGIVEN = json.loads({json.dumps(given)!r})\n\ndef attack():\n{textwrap.indent(body, '    ')}\n"


def every_attack(given: Mapping[str, Any]) -> str:
    """A source whose `attack` tries all of `ATTACKS`, and returns what each came to by its name."""
    functions = [f"def attack_{n}():\n{textwrap.indent(one.code, '    ')}" for n, one in enumerate(ATTACKS)]
    names = {one.name: f"attack_{n}" for n, one in enumerate(ATTACKS)}
    body = (
        f"found = {{}}\n"
        f"for name, function in {names!r}.items():\n"
        "    try:\n"
        "        found[name] = globals()[function]()\n"
        "    except Exception as error:\n"
        "        found[name] = f'{type(error).__name__}: {error}'\n"
        "return found"
    )
    return "\n".join([source(body, given), *functions])
