"""Python scripts: the code, and the dependencies of its PEP 723 metadata and its requirements."""

import re
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement

from chassis import scriptmetadata
from chassis.scriptmetadata import MetadataError
from mcpanel.registry.v1 import component_pb2
from worker.executors.program import BadComponentError, Program, Requirements

_IMPORT: Final = re.compile(
    r"^(?:import[ \t]+(?P<modules>[\w., \t]+)"
    r"|from[ \t]+(?P<module>\w[\w.]*)[ \t]+import[ \t]*(?:\((?P<many>[\w, \t\n]*)|(?P<names>[\w, \t]*)))",
    re.MULTILINE,
)
_MOST_IMPORTS: Final = 100
_LONGEST_NAME: Final = 100


def read(version: component_pb2.Version) -> Program:
    """The version's program. Raises BadComponentError when its metadata is malformed."""
    config = version.python_script
    needed = requirements(config.code_content, config.requirements)
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="python",
        code=config.code_content,
        requirements=needed,
        ahead=imports(config.code_content) if needed.packages else (),
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )


def imports(code: str) -> tuple[str, ...]:
    """The modules that the script imports at its top level, `a.b` also for `from a import b`; the first 100 of them."""
    found: dict[str, None] = {}
    for line in _IMPORT.finditer(code):
        if line["module"]:
            names = [
                line["module"],
                *(f"{line['module']}.{name}" for name in _names(line["many"] or line["names"] or "")),
            ]
        else:
            names = _names(line["modules"])
        found.update(dict.fromkeys(name for name in names if len(name) <= _LONGEST_NAME))
        if len(found) >= _MOST_IMPORTS:
            break
    return tuple(found)[:_MOST_IMPORTS]


def _names(text: str) -> list[str]:
    words = [part.split() for part in text.split(",")]
    return [one[0] for one in words if one]


def requirements(code: str, more: str = "") -> Requirements:
    """The requirements in the script's metadata block and in `more`, one a line. Raises BadComponentError."""
    try:
        metadata = scriptmetadata.read(code)
    except MetadataError as error:
        raise BadComponentError(str(error)) from None
    lines = [line.split(" #")[0].strip() for line in more.splitlines()]
    packages = {
        *map(str.strip, metadata.dependencies),
        *(line for line in lines if line and not line.startswith("#")),
    }
    for package in packages:
        _check(package)
    return Requirements(tuple(sorted(packages)), metadata.python)


def _check(package: str) -> None:
    """Raises BadComponentError unless this names a package of the configured index and nothing else.

    The installer runs outside of any cell: a URL would let a component read this machine's files and network.
    """
    try:
        url = Requirement(package).url
    except InvalidRequirement:
        url = package
    if url or "\n" in package:
        raise BadComponentError(f"the requirement {package!r} is not a package name with a version (PEP 508)")
