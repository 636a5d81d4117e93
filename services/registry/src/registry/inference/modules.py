"""Whether a TypeScript script can be run at all: that it is TypeScript, and exports a `main`.

The parser knows less of the language than who runs the script: where it may be wrong, and the script right, nothing is
said.
"""

import re
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node

from registry.inference.schema import ScriptError
from registry.inference.syntax import text

_NOT_KNOWN: Final = re.compile(
    r"""@|\\[ux]|>\s*`|`\s*\\|\bimport\s*\(|\bimport\s+(?:defer|source)\b|\bexport\s+(?:type\s*\*|import\b|=|as\b)
    |\b(?:using|accessor|asserts|unique|abstract|infer|out|override|declare|module|namespace|readonly|global)\b
    |\b(?:in|const)\s+[A-Z]|\b(?:in|instanceof)\s*\??:|\btypeof\s+import\b|\bstatic\b|<!--|-->|[\u2028\u2029\ufeff]""",
    re.VERBOSE,
)
"""What stands near an error that may be the parser's: syntax of which it does not read everything that there is."""
_SIGNATURE: Final = re.compile(r"^\s*<", re.MULTILINE)
"""A signature on a line of its own, which the parser takes for what goes on from the line above it."""
_CLOSERS: Final = {"{": "}", "(": ")", "[": "]", "${": "}"}
_SHOWN: Final = 40
_WRITE: Final = "write export function main(inputs) { … }, which the step calls with its inputs"


def check(code: str, root: Node) -> None:
    """Raises ScriptError where the script, whose tree is `root`, is no TypeScript or exports no `main`."""
    if root.has_error:
        _check_syntax(code, root)
    elif not _exports_main(root):
        raise _without_main(root)


def _check_syntax(code: str, root: Node) -> None:
    found = next(_errors(root), None)
    if found is None:
        return
    lines = code.split("\n")
    first, last = found.start_point[0], found.end_point[0]
    if _NOT_KNOWN.search("\n".join(lines[max(first - 2, 0) : last + 2])) or _SIGNATURE.search(code):
        return
    node, message = _explained(found)
    row, column = node.start_point
    line = lines[row].encode("utf-8", "replace") if row < len(lines) else b""
    raise ScriptError(message, row + 1, len(line[:column].decode("utf-8", "ignore")) + 1)


def _errors(node: Node) -> Iterator[Node]:
    """The errors in a tree, outermost first, in their order. A tree may be too deep to recurse."""
    waiting = [node]
    while waiting:
        one = waiting.pop()
        if one.is_error or one.is_missing:
            yield one
        waiting += reversed([child for child in one.children if child.has_error or child.is_missing])


def _explained(error: Node) -> tuple[Node, str]:
    """Where something is wrong, and what."""
    if error.is_missing:
        return error, f"{'a value' if error.is_named else repr(error.type)} is missing here"
    opened = _unclosed(error)
    if opened is not None:
        closer = _CLOSERS[opened.type]
        return opened, f"this {opened.type!r} is never closed with {closer!r}"
    found = text(error).strip().split("\n")[0]
    shown = found if len(found) <= _SHOWN else f"{found[:_SHOWN]}…"
    return error, f"unexpected {shown!r}" if shown else "the script ends too early"


def _unclosed(error: Node) -> Node | None:
    """The innermost bracket that is opened in what could not be read, and not closed there."""
    stack: list[Node] = []
    for one in error.children:
        if one.type in _CLOSERS:
            stack.append(one)
        elif stack and one.type == _CLOSERS[stack[-1].type]:
            stack.pop()
    return stack[-1] if stack else None


def _exports_main(root: Node) -> bool:
    """Whether a script may export a `main` that is a value."""
    return any(_may_export(one) for one in root.named_children if one.type == "export_statement")


def _may_export(node: Node) -> bool:
    words = {child.type for child in node.children}
    if "default" in words or (words & {"type"} and "*" not in words):
        return False
    declaration = node.child_by_field_name("declaration")
    if declaration is None:
        clause = next((one for one in node.named_children if one.type == "export_clause"), None)
        return clause is None or any(_is_main(one) for one in clause.named_children)
    if declaration.type in ("interface_declaration", "type_alias_declaration", "ambient_declaration"):
        return False
    if declaration.type in ("lexical_declaration", "variable_declaration"):
        names = (one.child_by_field_name("name") for one in declaration.named_children)
        return any(re.search(r"\bmain\b|\\u", text(name)) for name in names)
    name = text(declaration.child_by_field_name("name"))
    return name in ("main", "") or "\\u" in name


def _is_main(specifier: Node) -> bool:
    """Whether one name of `export { … }` may be `main` to others."""
    name = text(specifier.child_by_field_name("alias") or specifier.child_by_field_name("name"))
    return name.strip("'\"") == "main" or "\\" in name


def _without_main(root: Node) -> ScriptError:
    """What is said of a script that exports no `main`."""
    for node in root.named_children:
        inner = node.child_by_field_name("declaration") if node.type == "export_statement" else node
        if inner is not None and any(child.type == "default" for child in node.children):
            what = f"a default export is not what the step calls; {_WRITE}"
        elif inner is node and "main" in _declared(node):
            what = f"main is not exported; {_WRITE}"
        else:
            continue
        return ScriptError(what, node.start_point[0] + 1, 1)
    return ScriptError(f"no main is exported; {_WRITE}", 1, 1)


def _declared(node: Node) -> set[str]:
    names = [node.child_by_field_name("name")]
    if node.type in ("lexical_declaration", "variable_declaration"):
        names = [one.child_by_field_name("name") for one in node.named_children]
    return {text(name) for name in names if name is not None}
