"""What is checked of a config beyond its contract's rules: that its code and paths can be used. (MCP: `packages`.)

Everything is read as data; nothing of a config is ever executed here.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

from chassis import hosts, scriptmetadata
from chassis.expressions import Expression, ExpressionError
from chassis.scriptmetadata import MetadataError
from registry import models, schemas
from registry.inference import DIALECT, NONE, Schema, ScriptError, Signature, python, typescript

_MOST_FILES_BYTES: Final = 2 * 2**20
_MEDIA_TYPE: Final = re.compile(r"[a-z]+/[A-Za-z0-9.+-]+(; ?[a-z]+=[A-Za-z0-9._-]+)*")
"""As artifacts have them."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """What is wrong with one field of a config."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found: problems, and what it takes and answers as far as the config says."""

    problems: tuple[ConfigProblem, ...]
    signature: Signature = NONE


def check(kind: str, config: Mapping[str, Any]) -> Checked:
    """Checks a config in its JSON form; `kind` is its member of the oneof, e.g. `python_script`."""
    if kind == "python_script":
        return _python_script(config)
    if kind == "typescript_script":
        return _typescript_script(config)
    if kind == "utility":
        return _utility(config)
    checker = _CHECKERS.get(kind)
    problems = tuple(checker(config)) if checker else ()
    if kind in models.FIELDS and not problems:
        return Checked(problems, Signature(output_schema=models.output_schema(kind, config)))
    return Checked(problems)


def _python_script(config: Mapping[str, Any]) -> Checked:
    code = config.get("code_content", "")
    problems = [*_requirements(config), *_inline_metadata(code)]
    found = NONE
    try:
        found = python.infer(code)
    except ScriptError as error:
        problems.insert(0, ConfigProblem("code_content", str(error)))
    return Checked(tuple(problems), found)


def _typescript_script(config: Mapping[str, Any]) -> Checked:
    try:
        return Checked((), typescript.infer(config.get("code_content", "")))
    except ScriptError as error:
        return Checked((ConfigProblem("code_content", str(error)),))


def _utility(config: Mapping[str, Any]) -> Checked:
    text = config.get("expression", "")
    if not text.strip():
        return Checked(())
    try:
        found = Expression.parse(text, ("inputs",))
    except ExpressionError as error:
        place = f"line {error.line}, column {error.column}: {error.message}"
        return Checked((ConfigProblem("expression", place),))
    return Checked((), Signature(_read_by(found), _answered_by(found)))


def _read_by(expression: Expression) -> Schema:
    """The inputs that an expression names. It may read others too: those of `inputs` as a whole."""
    names = dict.fromkeys(path[1] for path in expression.references if len(path) > 1)
    needed = {path[1] for path in expression.certain if len(path) > 1}
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": {name: {} for name in names},
        "required": [name for name in names if name in needed],
    }


def _answered_by(expression: Expression) -> Schema | None:
    kind = expression.result_type
    return None if kind is None else {"$schema": DIALECT, "type": kind}


def _requirements(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    for number, line in enumerate(config.get("requirements", "").splitlines(), 1):
        text = re.sub(r"(^|\s)#.*$", "", line).strip()
        if not text:
            continue
        if text.startswith("-"):
            yield ConfigProblem(
                "requirements",
                f"line {number}: {text.split()[0]!r} is an option; only requirements are taken",
            )
            continue
        if problem := _requirement(text):
            yield ConfigProblem("requirements", f"line {number}: {problem}")


def _requirement(text: str) -> str:
    """What is wrong with a PEP 508 requirement; empty when it is right."""
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        return f"{text[:100]!r} is no requirement: {str(error).splitlines()[0]}"
    if found.url:
        return f"{found.name!r} comes from a URL; name a package and its version, from the configured index"
    return ""


def _inline_metadata(code: str) -> Iterator[ConfigProblem]:
    try:
        found = scriptmetadata.read(code)
    except MetadataError as error:
        yield ConfigProblem("code_content", str(error))
        return
    lines = code.split("\n")
    for one in found.dependencies:
        if problem := _requirement(one):
            place = next((n for n in range(found.line, len(lines)) if one in lines[n]), found.line - 1)
            yield ConfigProblem(
                "code_content", f"in the script's metadata block, line {place + 1}: {problem}"
            )


def _notebook(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    cells = config.get("notebook_cells", [])
    yield from _requirements(config)
    if text := config.get("ipynb", ""):
        if cells:
            yield ConfigProblem("ipynb", "is given beside notebook_cells; give one of the two")
        yield from _ipynb(text)
        return
    if not any(cell.get("type") == "code" and cell.get("content", "").strip() for cell in cells):
        yield ConfigProblem("notebook_cells", "there is no code cell with something in it")
    seen: dict[str, int] = {}
    for index, cell in enumerate(cells):
        name = cell.get("id", "")
        if name and name in seen:
            yield ConfigProblem(
                f"notebook_cells[{index}].id", f"{name!r} is the id of cell {seen[name]} already"
            )
        seen.setdefault(name, index)


def _ipynb(text: str) -> Iterator[ConfigProblem]:
    """What is wrong with a notebook file: the rest is for Jupyter to say."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        yield ConfigProblem("ipynb", f"is not a notebook file: {error}")
        return
    version, cells = _at(document, "nbformat"), _at(document, "cells")
    metadata = _at(document, "metadata") or {}
    language = _at(metadata, "kernelspec", "language") or "python"
    if version != 4 or not isinstance(cells, list) or not isinstance(metadata, dict):
        yield ConfigProblem("ipynb", "is not a notebook file of nbformat 4; save it with Jupyter 3 or newer")
    elif not any(isinstance(cell, dict) and cell.get("cell_type") == "code" for cell in cells):
        yield ConfigProblem("ipynb", "there is no code cell in it")
    elif str(language).lower() != "python":
        yield ConfigProblem("ipynb", f"is for a kernel of {language!r}; notebooks run Python")


def _at(value: Any, *names: str) -> Any:
    """What is at that place of a document; None where there is no such place."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _data(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    given = [name for name in ("value", "query", "file") if name in config]
    if len(given) > 1:
        yield ConfigProblem(given[1], f"is given beside {given[0]}; a table has one source")
    if "value" in config and config.get("sql", "").strip():
        yield ConfigProblem(
            "sql", "is given beside value; SQL needs a table: of a query, a file or the input rows"
        )
    if config.get("file", {}).get("content") and config["file"].get("format") == "parquet":
        yield ConfigProblem(
            "file.content", "is text; a Parquet file comes as an artifact, in the input `file`"
        )


def _output(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    try:
        if url := config.get("webhook", {}).get("url", ""):
            hosts.of_url(url)
    except ValueError as error:
        yield ConfigProblem("webhook.url", str(error))
    if not _MEDIA_TYPE.fullmatch(config.get("file", {}).get("media_type", "") or "text/plain"):
        yield ConfigProblem(
            "file.media_type", "is no media type, such as text/csv or text/plain; charset=utf-8, on one line"
        )


def _streamlit(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    path, files = config.get("main_script_path", ""), config.get("files", [])
    if not _is_inside(path):
        yield ConfigProblem(
            "main_script_path", "is a path inside the repository, without .. and not absolute"
        )
    if bool(files) == bool(config.get("git_repo_url")):
        yield ConfigProblem("files", "an app has files or a git repository: exactly one of the two")
    if "@" in urlsplit(config.get("git_repo_url", "")).netloc:
        yield ConfigProblem(
            "git_repo_url",
            "holds a user or a password, which everybody who sees the version would see; remove it",
        )
    if config.get("git_ref") and not config.get("git_repo_url"):
        yield ConfigProblem("git_ref", "names a place in a git repository, and there is none")
    yield from _files(files, "the app's folder, such as pages/one.py", "a git repository")
    if files and all(path != file.get("path") for file in files):
        yield ConfigProblem("main_script_path", f"{path!r} is none of the files")
    yield from _requirements(config)


def _files(files: Sequence[Mapping[str, Any]], inside: str, elsewhere: str) -> Iterator[ConfigProblem]:
    """What is wrong with files of a config, which are to be `inside` a folder, and `elsewhere` when they are large."""
    paths = [file.get("path", "") for file in files]
    for index, one in enumerate(paths):
        if not _is_inside(one) or PurePosixPath(one).as_posix() != one:
            yield ConfigProblem(f"files[{index}].path", f"is a path inside {inside}")
        elif one in paths[:index]:
            yield ConfigProblem(f"files[{index}].path", f"{one!r} is there already")
    if sum(len(file.get("content", "").encode()) for file in files) > _MOST_FILES_BYTES:
        yield ConfigProblem("files", f"are larger than 2 MiB together; put them into {elsewhere}")


def _is_inside(path: str) -> bool:
    """Whether it is a path below some folder."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    return bool(parts) and not (
        path.startswith(("/", "\\", "~")) or re.match(r"[A-Za-z]:", path) or ".." in parts
    )


def _model(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    """What is wrong with how a language model is asked."""
    try:
        models.host(config)
    except ValueError as error:
        yield ConfigProblem("base_url", str(error))
    for where, message in schemas.problems(config.get("response_schema", {})):
        yield ConfigProblem(f"response_schema{where}", message)


def _assistant(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    yield from _model(config)
    if "max_cost" in config and "input_price" not in config and "output_price" not in config:
        yield ConfigProblem("max_cost", "needs input_price and output_price, by which the cost is known")
    seen: set[tuple[str, str]] = set()
    for index, one in enumerate(config.get("tools", ())):
        for kind, text in one.items():
            name = text.partition("@")[0]
            if (kind, name) in seen:
                yield ConfigProblem(f"tools[{index}].{kind}", f"{name!r} is a tool already; name it once")
            seen.add((kind, name))


def _mcp(config: Mapping[str, Any]) -> Iterator[ConfigProblem]:
    yield from _requirements(config)
    yield from _files(config.get("files", []), "the server's folder, such as server.py", "a package")


_CHECKERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterator[ConfigProblem]]]] = {
    "ai_assistant": _assistant,
    "data": _data,
    "jupyter_notebook": _notebook,
    "llm_prompt_agent": _model,
    "mcp": _mcp,
    "output": _output,
    "streamlit_app": _streamlit,
}
