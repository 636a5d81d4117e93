"""Streamlit apps: files or a git repository, served by `worker.programs.app`."""

from typing import Final

from mcpanel.registry.v1 import component_pb2
from worker.executors.program import BadComponentError, Program
from worker.executors.python import requirements

_IDLE_SECONDS: Final = 900.0


def read(version: component_pb2.Version) -> Program:
    """The version's program. Raises BadComponentError when it has no app, or a requirement is malformed."""
    config = version.streamlit_app
    if bool(config.git_repo_url) == bool(config.files):
        raise BadComponentError(
            "the app has neither files nor a git repository, or both; it takes one of the two"
        )
    idle = config.idle_timeout.ToTimedelta().total_seconds() if config.HasField("idle_timeout") else 0.0
    return Program(
        version_id=version.id,
        component=version.definition_name,
        kind="python",
        program="app",
        toolbox="app",
        listens=True,
        idle_seconds=idle or _IDLE_SECONDS,
        config={
            "main": config.main_script_path,
            "files": [{"path": one.path, "content": one.content} for one in config.files],
            "repository": config.git_repo_url,
            "ref": config.git_ref,
        },
        requirements=requirements("", config.requirements),
        data_sources={link.name: link.id for link in version.data_sources},
        secrets={link.name: link.id for link in version.secrets},
    )
