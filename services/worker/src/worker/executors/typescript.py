"""TypeScript scripts: a module that exports `main(inputs)`, run by Deno with the npm: and jsr: packages it imports."""

import re
from typing import Final

from mcpanel.registry.v1 import component_pb2
from worker.executors.program import BadComponentError, Program

_STATIC: Final = re.compile(
    r"""^[ \t]*(?:import|export)\b[^"'`;]{0,500}["']((?:npm|jsr):[^"'\n]{0,300})["']""", re.MULTILINE
)
_DYNAMIC: Final = re.compile(
    r"""^(?![ \t]*(?://|\*))[^\n]{0,500}?\bimport\([ \t]*["']((?:npm|jsr):[^"'\n]{0,300})["']""", re.MULTILINE
)
_NAME: Final = r"[A-Za-z0-9_~][\w.~-]*"
_RANGE: Final = r"(?:@[\w.^~<>=|*+ -]+)?"
_PATH: Final = r"(?:/[\w.@/+~-]*)?"
_SPECIFIER: Final = re.compile(
    rf"npm:/?(?:@{_NAME}/)?{_NAME}{_RANGE}{_PATH}|jsr:/?@{_NAME}/{_NAME}{_RANGE}{_PATH}"
)
_MOST: Final = 100


def read(version: component_pb2.Version) -> Program:
    """The version's program. Raises BadComponentError when it imports what is no package."""
    code = version.typescript_script.code_content
    packages = modules(code)
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="deno",
        code=code,
        modules=packages,
        ahead=packages,
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )


def modules(code: str) -> tuple[str, ...]:
    """The npm: and jsr: packages that the code imports, in order. Raises BadComponentError.

    They are fetched outside of any cell, so that each has to name a package of the registry and nothing else.
    """
    found = sorted({one[1] for pattern in (_STATIC, _DYNAMIC) for one in pattern.finditer(code)})
    for one in found:
        if not _SPECIFIER.fullmatch(one) or ".." in one:
            raise BadComponentError(
                f"the import {one!r} is not a package of npm or JSR; write npm:name@1 or jsr:@scope/name@1"
            )
    if len(found) > _MOST:
        raise BadComponentError(f"the script imports {len(found)} packages; {_MOST} are the most")
    return tuple(found)
