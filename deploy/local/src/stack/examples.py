"""Examples: folders with components, data and a workflow, registered so that repeating it changes nothing.

`example.yaml` lists them; examples/README.md describes it. A component whose file changed becomes a new patch
version; a workflow that changed becomes its next version.
"""

import csv
import hashlib
import io
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from stack.edge import Edge, Json
from stack.errors import StackError
from stack.postgres import SAMPLE, Postgres

WRITTEN = "written"
"""The schema of the tables that steps may write into."""
FOLDER = Path(__file__).resolve().parents[4] / "examples"
_CONFIGS = {
    "AI_ASSISTANT": "aiAssistant",
    "DATA": "data",
    "JUPYTER_NOTEBOOK": "jupyterNotebook",
    "LLM_PROMPT_AGENT": "llmPromptAgent",
    "MCP": "mcp",
    "OUTPUT": "output",
    "PYTHON_SCRIPT": "pythonScript",
    "STREAMLIT_APP": "streamlitApp",
    "TYPESCRIPT_SCRIPT": "typescriptScript",
    "UTILITY": "utility",
}
"""The config's field in a version, by the component's type."""
_FILES = {
    "JUPYTER_NOTEBOOK": "ipynb",
    "MCP": "mcpConfiguration",
    "PYTHON_SCRIPT": "codeContent",
    "TYPESCRIPT_SCRIPT": "codeContent",
    "UTILITY": "expression",
}
"""The config's field that a component's `file` fills, by its type."""
_SECRETS = "/api/v1/secrets"
_KEYS = {
    "description",
    "tables",
    "data_sources",
    "secrets",
    "serve",
    "components",
    "workflows",
    "workflow",
    "refused",
    "inputs",
    "start_in",
    "steer",
    "beside",
    "schedule",
    "trigger",
    "send",
    "decide",
    "rerun",
    "expect",
}


@dataclass(frozen=True, slots=True)
class Example:
    """An example as its folder describes it."""

    name: str
    folder: Path
    workflow: str
    inputs: Json = field(default_factory=dict)
    tables: list[Json] = field(default_factory=list)
    data_sources: list[Json] = field(default_factory=list)
    secrets: list[Json] = field(default_factory=list)
    """Secrets that the steps ask for; each is given a value at random."""
    serve: list[Json] = field(default_factory=list)
    """Programs that run beside it: `{file: model.py, listens: 127.77.0.1:7710}`."""
    components: list[Json] = field(default_factory=list)
    workflows: list[str] = field(default_factory=list)
    """Documents of workflows that run as its steps."""
    refused: list[Json] = field(default_factory=list)
    """Documents that the registry must refuse, and in what words: `{workflow: bad.yaml, says: there is no input}`."""
    start_in: float = 0.0
    """In how many seconds the run is to start."""
    steer: list[Json] = field(default_factory=list)
    """What is done to the run, and when: `{when: work RUNNING, do: [pause, explain]}`."""
    beside: int = 0
    """How many more runs are started, for in an hour, and cancelled with one call in the end."""
    schedule: Json = field(default_factory=dict)
    """A schedule, as REST takes it, that starts the run; else it is asked for."""
    trigger: Json = field(default_factory=dict)
    """A trigger, as REST takes it, that starts the run."""
    send: Json = field(default_factory=dict)
    """The message that is sent to a trigger's webhook."""
    decide: dict[str, str] = field(default_factory=dict)
    """What the runner answers when a step waits for a decision, by the step's id: `approve` or `reject`."""
    rerun: Json = field(default_factory=dict)
    """How the run, which has to fail, is repeated, as REST takes it."""
    expect: Json = field(default_factory=dict)

    @property
    def workflow_name(self) -> str:
        """The name in the workflow document."""
        return str(yaml.safe_load(self.workflow)["name"])

    @property
    def output_names(self) -> list[str]:
        """The outputs' names, in the order of the workflow document."""
        return list(yaml.safe_load(self.workflow).get("outputs", {}))


def load(name: str, root: Path = FOLDER) -> Example:
    """Read an example's folder. Raises StackError naming what is wrong with it."""
    folder = root / name
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or not (folder / "example.yaml").exists():
        known = sorted(path.parent.name for path in root.glob("*/example.yaml"))
        raise StackError(f"there is no example {name!r}; there is: {', '.join(known) or 'none'}")
    try:
        document: Json = yaml.safe_load((folder / "example.yaml").read_text())
        if unknown := document.keys() - _KEYS:
            raise StackError(f"{folder / 'example.yaml'}: unknown {', '.join(sorted(unknown))}")
        return Example(
            name=name,
            folder=folder,
            workflow=(folder / document["workflow"]).read_text(),
            workflows=[(folder / file).read_text() for file in document.get("workflows", ())],
            **{
                key: document[key]
                for key in _KEYS - {"workflow", "workflows", "description"}
                if document.get(key)
            },
        )
    except (yaml.YAMLError, KeyError, TypeError, OSError) as error:
        raise StackError(f"{folder / 'example.yaml'} cannot be read: {error}") from error


def register(example: Example, edge: Edge, postgres: Postgres, say: Callable[[str, str], None]) -> None:
    """Load the tables and register data sources, secrets, components and the workflow, in this order.

    `say` receives each thing's name and what became of it.
    """
    for table in example.tables:
        if "file" in table:
            made = load_table(postgres, table["name"], table["columns"], example.folder / table["file"])
        else:
            made = make_table(postgres, table["name"], table["columns"])
        say(f"table {table['name']}", made)
    for source in example.data_sources:
        say(f"data source {source['name']}", _data_source(edge, postgres, source))
    for secret in example.secrets:
        say(f"secret {secret['name']}", _secret(edge, secret))
    for component in example.components:
        say(f"component {component['name']}", _component(edge, example.folder, component))
    for document in (*example.workflows, example.workflow):
        say(f"workflow {yaml.safe_load(document)['name']}", _workflow(edge, document))
    for one in example.refused:
        say(f"workflow {one['workflow']}", f"refused: {_refusal(edge, example.folder, one)}")


def _refusal(edge: Edge, folder: Path, wanted: Json) -> str:
    """Why the registry refuses a document. Raises StackError when it doesn't, or in other words."""
    source = (folder / wanted["workflow"]).read_text()
    problems = edge.call("POST", "/api/v1/workflows:validate", {"source": source}).get("problems", [])
    said = "; ".join(f"{one['field']}: {one['message']} ({one.get('fix', '')})" for one in problems)
    if wanted["says"] not in said:
        raise StackError(
            f"{wanted['workflow']} was to be refused with {wanted['says']!r}; the registry said: {said or 'nothing'}"
        )
    return said


def load_table(postgres: Postgres, name: str, columns: dict[str, str], file: Path) -> str:
    """Load a CSV file into a table of the sample database, unless this content is there already."""
    content = file.read_bytes()
    digest = hashlib.sha256(content + repr(columns).encode()).hexdigest()
    table = sql.Identifier(name)
    with psycopg.connect(postgres.url("sample_loader", SAMPLE)) as connection:
        row = connection.execute("select obj_description(to_regclass(%s), 'pg_class')", [name]).fetchone()
        if row and row[0] and str(row[0]).endswith(digest):
            return "unchanged"
        header = next(csv.reader(io.StringIO(content.decode())))
        if set(header) != set(columns):
            raise StackError(f"{file}: its columns are {', '.join(header)}, not {', '.join(columns)}")
        connection.execute(sql.SQL("drop table if exists {}").format(table))
        connection.execute(sql.SQL("create table {} ({})").format(table, _shapes(columns)))
        copy = sql.SQL("copy {} ({}) from stdin with (format csv, header match)")
        ordered = sql.SQL(", ").join(map(sql.Identifier, header))
        with connection.cursor() as cursor:
            with cursor.copy(copy.format(table, ordered)) as target:
                target.write(content)
            count = cursor.rowcount
        connection.execute(sql.SQL("grant select on {} to sample_reader").format(table))
        note = sql.Literal(f"From {file.name}, sha256 {digest}")
        connection.execute(sql.SQL("comment on table {} is {}").format(table, note))
    return f"{count} rows loaded"


def make_table(postgres: Postgres, name: str, columns: dict[str, str]) -> str:
    """Make an empty table that steps may write into, `written.name`, unless there is one with these columns already."""
    note = hashlib.sha256(repr(columns).encode()).hexdigest()
    schema, table = sql.Identifier(WRITTEN), sql.Identifier(WRITTEN, name)
    with psycopg.connect(postgres.url("sample_loader", SAMPLE)) as connection:
        found = connection.execute(
            "select obj_description(to_regclass(%s), 'pg_class')", [f'{WRITTEN}."{name}"']
        ).fetchone()
        if found and found[0] == note:
            return "unchanged"
        connection.execute(sql.SQL("create schema if not exists {}").format(schema))
        connection.execute(sql.SQL("grant usage on schema {} to sample_reader, sample_writer").format(schema))
        connection.execute(sql.SQL("drop table if exists {}").format(table))
        connection.execute(sql.SQL("create table {} ({})").format(table, _shapes(columns)))
        connection.execute(sql.SQL("grant select on {} to sample_reader, sample_writer").format(table))
        connection.execute(sql.SQL("grant insert, delete on {} to sample_writer").format(table))
        connection.execute(sql.SQL("comment on table {} is {}").format(table, sql.Literal(note)))
    return "made, empty"


def _shapes(columns: dict[str, str]) -> sql.Composed:
    """The columns as `create table` takes them."""
    shapes = [sql.SQL("{} {}").format(sql.Identifier(key), _type(kind)) for key, kind in columns.items()]
    return sql.SQL(", ").join(shapes)


def _type(kind: str) -> sql.Composable:
    """A column's type, which may have two words: `double precision`."""
    if not re.fullmatch(r"[a-z]+( [a-z]+)*", kind):
        raise StackError(f"{kind!r} is not a column's type")
    return sql.SQL(kind)


def _data_source(edge: Edge, postgres: Postgres, source: Json) -> str:
    """Point the data source at the stack's sample database, with the login that may do what it allows."""
    login = "sample_writer" if source.get("allow_writes") else "sample_reader"
    wanted: Json = {
        "host": "127.0.0.1",
        "port": postgres.port,
        "database": SAMPLE,
        "username": login,
        "tlsMode": "DISABLED",
        **({"allowWrites": True} if login == "sample_writer" else {}),
    }
    secret = {"secretValue": postgres.password(login)}
    path = "/api/v1/external-db-configs"
    found = edge.find(f"{path}/{source['name']}")
    if found is None:
        created = {"name": source["name"], "type": "POSTGRESQL", "description": source.get("description", "")}
        edge.call("POST", path, {"dataSource": {**created, **wanted, **secret}})
        return "created"
    if includes(found["dataSource"], wanted):
        return "unchanged"
    edge.call("PATCH", f"{path}/{source['name']}", {"dataSource": {**wanted, **secret}})
    return "updated"


def _secret(edge: Edge, secret: Json) -> str:
    """Create the secret if it is missing, with a value that nobody has seen."""
    if edge.find(f"{_SECRETS}/{secret['name']}") is not None:
        return "unchanged"
    value = secrets.token_urlsafe(32)
    wanted = {"name": secret["name"], "description": secret.get("description", ""), "secretValue": value}
    edge.call("POST", _SECRETS, {"secret": wanted})
    return "created"


def _component(edge: Edge, folder: Path, component: Json) -> str:
    """Create the definition if it is missing, and a version if the newest is not this one."""
    name, kind = component["name"], component["type"]
    if kind not in _CONFIGS:
        raise StackError(f"component {name}: the types are {', '.join(_CONFIGS)}, not {kind}")
    config: Json = dict(component.get("config", {}))
    if "file" in component:
        if kind not in _FILES:
            raise StackError(f"component {name}: a {kind} is made of its config, not of a file")
        config[_FILES[kind]] = _text(folder / component["file"])
    if "files" in component:
        config["files"] = [{"path": one, "content": _text(folder / one)} for one in component["files"]]
    if "requirements" in component:
        config["requirements"] = component["requirements"]
    wanted: Json = {_CONFIGS[kind]: config}
    for key, theirs in (("input_schema", "inputSchema"), ("output_schema", "outputSchema")):
        if key in component:
            wanted[theirs] = component[key]
    if hosts := component.get("network_hosts"):
        wanted["networkHosts"] = sorted(hosts)  # as the registry answers them
    sources = component.get("data_sources", [])
    asked = [edge.call("GET", f"{_SECRETS}/{one}")["secret"]["id"] for one in component.get("secrets", [])]
    linked = {key: ids for key, ids in (("dataSourceIds", sources), ("secretIds", asked)) if ids}

    path = "/api/v1/mcp-definitions"
    if edge.find(f"{path}/{name}") is None:
        definition = {"name": name, "type": kind, "description": component.get("description", "")}
        version = {"version": "1.0.0", **wanted, **linked}
        edge.call("POST", path, {"definition": definition, "initialVersion": version})
        return "1.0.0, new"
    versions = list(edge.pages(f"{path}/{name}/versions", "versions"))
    for one in versions[:1]:
        full = edge.call("GET", f"/api/v1/mcp-versions/{one['id']}")["version"]
        links = {link["name"] for link in full.get("dataSources", [])}
        told = {link["name"] for link in full.get("secrets", [])}
        named = _texts(config)  # what the registry links by itself
        wants = (set(sources), set(component.get("secrets", ())))
        same = all(has >= want >= has - named for has, want in zip((links, told), wants, strict=True))
        if same and includes(full, wanted):
            return f"{full['version']}, unchanged"
    number = next_patch([one["version"] for one in versions])
    edge.call("POST", f"{path}/{name}/versions", {"version": {"version": number, **wanted, **linked}})
    return f"{number}, new"


def _texts(value: Any) -> set[str]:
    """All the texts in a value."""
    if isinstance(value, str):
        return {value}
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {text for item in items for text in _texts(item)}


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except OSError as error:
        raise StackError(f"{file} cannot be read: {error.strerror}") from error


def _workflow(edge: Edge, document: str) -> str:
    """Create the workflow or its next version; the registry keeps the version when nothing changed."""
    path, name = "/api/v1/workflows", yaml.safe_load(document)["name"]
    found = edge.find(f"{path}/{name}")
    if found is None:
        edge.call("POST", path, {"source": document})
        return "version 1, new"
    before = found["workflow"]["version"]
    after = edge.call("PATCH", f"{path}/{name}", {"source": document})["workflow"]["version"]
    return f"version {after}, {'unchanged' if after == before else 'new'}"


def next_patch(versions: list[str]) -> str:
    """The patch version after the highest of these semantic versions; 1.0.0 without any."""
    numbers = [re.match(r"(\d+)\.(\d+)\.(\d+)", version) for version in versions]
    highest = max((tuple(map(int, found.groups())) for found in numbers if found), default=None)
    return f"{highest[0]}.{highest[1]}.{highest[2] + 1}" if highest else "1.0.0"


def includes(found: Any, wanted: Any) -> bool:
    """Whether everything in `wanted` is in `found`, at any depth; `found` may hold more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            key in found and includes(found[key], value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(includes(one, other) for one, other in zip(found, wanted, strict=True))
        )
    return bool(found == wanted)
