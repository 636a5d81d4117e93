"""Python scripts: the code, and the dependencies of its PEP 723 metadata and its requirements."""

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
    )


def requirements(code: str, more: str = "") -> Requirements:
    """The requirements in the script's metadata block and in `more`, one a line. Raises BadComponentError."""
    try:
        metadata = scriptmetadata.read(code)
    except MetadataError as error:
        raise BadComponentError(f"the script's metadata: {error}") from None
    lines = [line.split(" #")[0].strip() for line in more.splitlines()]
    packages = {
        *map(str.strip, metadata.dependencies),
        *(line for line in lines if line and not line.startswith("#")),
    }
    for package in packages:
        if package.startswith("-") or "\n" in package or "\0" in package:
            raise BadComponentError(
                f"the requirement {package!r} is not a package name with a version (PEP 508)"
            )
    return Requirements(tuple(sorted(packages)), metadata.python)
