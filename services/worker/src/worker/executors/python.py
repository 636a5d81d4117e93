"""Python scripts: the code, and the dependencies of its PEP 723 metadata and its requirements."""

from packaging.requirements import InvalidRequirement, Requirement

from chassis import scriptmetadata
from chassis.scriptmetadata import MetadataError
from mcpanel.registry.v1 import component_pb2
from worker.executors.program import BadComponentError, Program, Requirements


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
        secrets={link.name: link.id for link in version.secrets},
    )


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
