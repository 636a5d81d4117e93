"""Python scripts: the code, and the dependencies of its PEP 723 metadata and its requirements."""

import re
import tomllib
from typing import Any, Final

from mcpanel.registry.v1 import component_pb2
from worker.executors.program import BadComponentError, Program, Requirements

_BLOCK: Final = re.compile(r"^# /// script[ \t]*\n(?P<content>(?:#(?:| .*)\n)*?)# ///[ \t]*$", re.MULTILINE)
"""A metadata block: https://packaging.python.org/en/latest/specifications/inline-script-metadata/"""


def read(version: component_pb2.Version) -> Program:
    """The version's program. Raises BadComponentError when its metadata is malformed."""
    config = version.python_script
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="python",
        code=config.code_content,
        requirements=requirements(config.code_content, config.requirements),
        data_sources={link.name: link.id for link in version.data_sources},
    )


def requirements(code: str, more: str = "") -> Requirements:
    """The requirements in the script's metadata block and in `more`, one a line. Raises BadComponentError."""
    metadata = _metadata(code)
    dependencies = metadata.get("dependencies", [])
    if not isinstance(dependencies, list) or not all(isinstance(item, str) for item in dependencies):
        raise BadComponentError("the script's metadata: dependencies must be a list of strings")
    python = metadata.get("requires-python", "")
    if not isinstance(python, str):
        raise BadComponentError("the script's metadata: requires-python must be a string")
    lines = [line.split(" #")[0].strip() for line in more.splitlines()]
    packages = {*map(str.strip, dependencies), *(line for line in lines if line and not line.startswith("#"))}
    for package in packages:
        if package.startswith("-") or "\n" in package or "\0" in package:
            raise BadComponentError(
                f"the requirement {package!r} is not a package name with a version (PEP 508)"
            )
    return Requirements(tuple(sorted(packages)), python)


def _metadata(code: str) -> dict[str, Any]:
    blocks = list(_BLOCK.finditer(code.replace("\r\n", "\n")))
    if not blocks:
        return {}
    if len(blocks) > 1:
        raise BadComponentError("the script has more than one metadata block")
    lines = blocks[0]["content"].splitlines()
    try:
        return tomllib.loads("\n".join(line[2:] for line in lines))
    except tomllib.TOMLDecodeError as error:
        raise BadComponentError(f"the script's metadata is not TOML: {error}") from None
