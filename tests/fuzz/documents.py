"""Documents inside messages, by chance: YAML, notebooks, MCP configurations, scripts, addresses; right, and damaged."""

import json
import random
from collections.abc import Callable
from typing import Any, Final

_DEFINITION: Final = """
name: NAME
type: Python Script
tags: [a, b]
visibility: Public
version: 1.0.0
inputSchema: '{"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "$defs": {"N": {"type": "integer"}}}'
typeSpecificData:
  codeContent: |
    def main(n: int = 1) -> int:
        return n
"""
_PACKAGE: Final = """
name: NAME
type: MCP
mcp:
  mcp_configuration:
    version: 1.0.0
    components:
      - {id: a, name: NAME, version: 1, with: {days: 7}}
      - {id: b, name: NAME}
    connections:
      - {source: a.output.rows, target: b.rows}
      - {source: inputs.limit, target: a.limit}
"""
_BUNDLE: Final = """
bundle: 1
components:
  - name: NAME
    type: PYTHON_SCRIPT
    versions:
      - {version: 1.0.0, python_script: {code_content: "x = 1"}, data_sources: [warehouse], secrets: [key]}
      - {version: 1.1.0, draft: true, utility: {expression: "inputs.rows.map(row, row.n)"}}
  - name: NAME
    type: MCP
    versions: [{version: 1.0.0, mcp: {mcp_configuration: "components: [{id: a, name: NAME}]"}}]
workflows:
  - name: NAME
    inputs: {days: {type: object, default: {monday: 3.5}}}
    steps:
      - {id: find, component: NAME@1, for_each: "${{ inputs.days }}", with: {days: "${{ item }}"}}
    outputs: {day: "${{ steps.find.output }}"}
"""
_WORKFLOW: Final = """
name: NAME
inputs: {word: {type: string, default: hello}}
steps:
  - {id: a, component: NAME@1, retry: {max_attempts: 3}, timeout: 30s}
  - {id: b, needs: [a], if: "${{ steps.a.output != null }}", workflow: NAME}
  - {id: ask, needs: [b], approval: {message: go on?}}
"""
_SERVERS: Final = (
    'mcpServers:\n  m: {command: python, args: [server.py], env: {KEY: "${secret:key}"}}\n',
    'mcpServers:\n  w: {url: "https://maps.example.com/mcp", headers: {authorization: "Bearer ${secret:key}"}}\n',
    '{"command": "uvx", "args": ["tool==1.0", "--flag"]}',
    "components: [{id: a, name: NAME}, {id: b, name: NAME}]\nconnections: [{source: a, target: b.x}]\n",
)
_NOTEBOOK: Final = json.dumps(
    {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "language": "python"}},
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title"]},
            {
                "cell_type": "code",
                "id": "b",
                "metadata": {"tags": ["parameters"]},
                "source": "x = 1",
                "outputs": [],
                "execution_count": None,
            },
        ],
    }
)
_SEEDS: Final = {
    "source": (_DEFINITION, _PACKAGE, _BUNDLE, _WORKFLOW),
    "mcp_configuration": _SERVERS,
    "ipynb": (_NOTEBOOK,),
    "code_content": (
        "from typing import Literal\n\ndef main(n: int, unit: Literal['c', 'f'] = 'c') -> dict[str, float]: ...\n",
        "# /// script\n# dependencies = ['httpx>=0.28']\n# ///\ndef main(**more: list[int]) -> None: ...\n",
        "import dataclasses\n@dataclasses.dataclass\nclass A:\n    a: 'A | None' = None\ndef main(a: A) -> A: ...\n",
        "type A = { a?: A; b: Record<string, number[]> };\nexport async function main({ n = 3 }: A & { n?: 1 }) {}\n",
        "/** @param inputs.a x */\nexport const main = (inputs: { a: `a${string}` }): Promise<keyof typeof X> => X;\n",
    ),
    "expression": (
        'merge(select(inputs.a, ["n"]), {"x": inputs.?b.orValue(0)})',
        "inputs.rows.filter(row, row.n > inputs.least).map(row, row.n * 2)",
    ),
    "requirements": ("httpx==0.28.1\n", "numpy\npandas[all]>=2; python_version > '3.11'  # why\n"),
    "user_prompt_template": ("Say {{ word }}", "{% for row in rows %}{{ row.a | json }}{% endfor %}"),
    "template": ("# {{ title }}\n\n{{ rows | table(columns) }}",),
    "base_url": ("https://models.example.com/v1", "http://127.77.0.1:9/v1"),
    "git_repo_url": ("https://git.example.com/a/b.git",),
    "url": ("https://hooks.example.com/x",),
    "network_hosts": ("api.example.com", "*.example.com:8443", "[2001:db8::7]:80", "192.0.2.7"),
    "path": ("app.py", "pages/one.py"),
    "main_script_path": ("app.py",),
    "table": ("fuzzed", "public.fuzzed"),
    "columns": ("id", "name"),
    "filter": ('name = "a" AND created_at > "2026-01-01T00:00:00Z"', "type = PYTHON_SCRIPT OR NOT tags:a"),
}
NAMES: Final = frozenset(_SEEDS)
"""The fields that hold such documents."""
_PIECES: Final = (
    *(
        "{",
        "}",
        "[",
        "]",
        "'",
        '"',
        ":",
        "\n",
        "\t",
        "&a ",
        "*a",
        "<<: ",
        "!!binary ",
        "---\n",
        "#",
        "|",
        ">",
        "\\",
    ),
    *(
        "null",
        "~",
        "1e999",
        "0x10",
        ".inf",
        "2026-01-01",
        "yes",
        "-",
        "- - - ",
        "? ",
        "${{",
        "}}",
        "{{",
        "{%",
        "%}",
    ),
    *(
        "\u2028",
        "\ufeff",
        "\x85",
        "\U0001f600",
        "\ud7ff",
        "\r",
        "\0",
        "//",
        "..",
        "@",
        "%00",
        "(" * 200,
        "[" * 200,
    ),
    *("é" * 300, "a.b." * 300, "9" * 500, " " * 300, "x: " * 100),
)


def make(chance: random.Random, name: str, known: Callable[[str], str]) -> str:
    """What a field of that name may hold. `known(name)` is a name that the suite knows."""
    text = chance.choice(_SEEDS[name])
    while "NAME" in text:
        text = text.replace("NAME", known("name"), 1)
    if name == "ipynb" and chance.random() < 0.5:
        return json.dumps(_bent(chance, json.loads(text)))
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 5))):
        text = _damaged(chance, text)
    return text


def _bent(chance: random.Random, value: Any) -> Any:
    """The value with one thing in it, more or less deep, that is of another kind."""
    places = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    if not places or chance.random() < 0.2:
        return chance.choice((None, True, -1, 1e300, "", "x", [], [1], {}, {"x": {}}))
    place = chance.choice(places)
    value[place] = _bent(chance, value[place])
    return value


def _damaged(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    to = min(len(text), at + chance.choice((1, 1, 3, 20)))
    lines = text.splitlines(keepends=True) or [""]
    line = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            return text[:at] + chance.choice(_PIECES) + text[at:]
        case 1:
            return text[:at] + text[to:]
        case 2:
            return text[:at] + chance.choice(_PIECES) + text[to:]
        case 3:
            return "".join([*lines[: line + 1], *lines[line:]])
        case 4:
            return "".join(lines[:line] + lines[line + 1 :])
        case _:
            return "".join(chance.sample(lines, len(lines)))
