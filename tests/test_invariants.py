"""The invariants of ARCHITECTURE.md that no linter knows, and the paths the documents name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from chassis import contracts
from chassis.bus import Bus
from chassis.database import Database
from chassis.guards import ContractBroken
from tests.support.servers import TestPostgres

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for path in ROOT.glob("*/**/src/**/*.py") if "migrations" not in path.parts)
PURE = [
    path
    for path in SOURCES
    if {"domain", "machine"} & set(path.parts) or path.name in ("domain.py", "reruns.py")
]
IMPURE = {"os", "random", "secrets", "time", "uuid"}
MAY_ABORT = {"services/chassis/src/chassis/interceptors/errors.py", "gateway/src/gateway/api.py"}
"""The one mapping, and the gateway's health, which stands outside the interceptors as gRPC's own services do."""
DOCUMENTS = [ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md"]


def test_a_domain_takes_time_ids_and_randomness_as_arguments() -> None:
    assert len(PURE) > 8
    assert [f"{_name(path)}: {found}" for path in PURE for found in _impurities(path)] == []


def test_errors_are_mapped_to_statuses_in_one_place() -> None:
    aborts = {
        _name(path) for path in SOURCES if re.search(r"\bcontext\.abort(_with_status)?\(", path.read_text())
    }

    assert aborts == MAY_ABORT


def test_no_permission_and_no_role_is_named_but_in_the_contracts() -> None:
    """Identity alone knows the roles' names: they are its data."""
    words = {*contracts.permissions(), *(name.capitalize() for name in contracts.Rule.Role.keys()[1:])}
    names_one = re.compile(rf"(?<![\w.])(?:{'|'.join(map(re.escape, sorted(words)))})(?![\w.])")
    named = {f"{_name(path)}: {text}" for path in SOURCES for text in _texts(path) if names_one.search(text)}

    assert named == {
        f"services/identity/src/identity/domain/roles.py: {name}" for name in ("Admin", "Editor", "Viewer")
    }


def test_no_handler_catches_to_hide() -> None:
    handlers = [path for path in SOURCES if path.name == "api.py" or path.parent.name == "api"]

    assert len(handlers) >= 4
    assert [
        _name(path)
        for path in handlers
        if any(_hides(node) for node in ast.walk(ast.parse(path.read_text())))
    ] == []


async def test_nothing_is_published_while_a_transaction_is_open(postgres: TestPostgres) -> None:
    db = Database(postgres.create_database(), MetaData())
    bus = Bus("nats://127.0.0.1:1", name="test")

    async with db.read():
        with pytest.raises(ContractBroken, match="inside an open transaction"):
            await bus.publish("mcpanel.hint.ready", b"")
    await db.close()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_paths_a_document_names_exist(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    named = re.findall(r"`([\w.-]+/[\w./-]*)`", text)

    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_functions_a_document_names_exist(document: Path) -> None:
    """`path/to/file.py: Class.method` names a definition in that file."""
    named = re.findall(r"`([\w./-]+\.py): ([\w.]+)`", document.read_text())

    missing = [(path, name) for path, name in named if name not in set(_definitions(ROOT / path))]
    assert missing == []


def _impurities(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] in IMPURE)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in IMPURE:
            yield str(node.module)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            (".now", ".utcnow", ".today", "uuid7")
        ):
            yield ast.unparse(node)


def _texts(path: Path) -> Iterator[str]:
    """The texts in a file's code; not what documents it."""
    tree = ast.parse(path.read_text())
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield node.value


def _hides(node: ast.AST) -> bool:
    """Whether this catches everything and does not raise it again."""
    if not isinstance(node, ast.ExceptHandler):
        return False
    everything = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
    return everything and not isinstance(node.body[-1], ast.Raise)


def _definitions(path: Path) -> Iterator[str]:
    """Functions, classes and methods of a file, methods as `Class.method`."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (
                f"{node.name}.{one.name}"
                for one in node.body
                if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
            )


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))
