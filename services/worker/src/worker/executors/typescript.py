"""TypeScript scripts: a module that exports `main(inputs)`; it runs on Deno, without network and without packages."""

from mcpanel.registry.v1 import component_pb2
from worker.executors.program import Program


def read(version: component_pb2.Version) -> Program:
    """The version's program."""
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="deno",
        code=version.typescript_script.code_content,
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )
