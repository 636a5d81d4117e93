"""The component types by the names people use for them."""

from collections.abc import Iterable, Mapping
from typing import Final

from chassis.errors import FieldViolation, Invalid

DISPLAY_NAMES: Final = {
    "LLM_PROMPT_AGENT": "LLM Prompt Agent",
    "JUPYTER_NOTEBOOK": "Jupyter Notebook",
    "PYTHON_SCRIPT": "Python Script",
    "TYPESCRIPT_SCRIPT": "TypeScript Script",
    "STREAMLIT_APP": "Streamlit App",
    "MCP": "MCP",
    "AI_ASSISTANT": "AI Assistant",
    "DATA": "Data",
    "UTILITY": "Utility",
    "OUTPUT": "Output",
}
"""Each type's display name, in the contract's order."""

CONFIG_FIELDS: Final = {name: name.lower() for name in DISPLAY_NAMES}
"""The member of a version's config `oneof` that belongs to each type."""

WITHOUT_CONFIG: Final = frozenset({"DATA", "UTILITY", "OUTPUT"})
"""The types whose versions may go without a config."""

COMPUTED: Final = frozenset({"DATA", "UTILITY", "OUTPUT"})
"""The types whose steps the engine computes itself, without a worker, unless their config `has_program`."""
_DONE_BY_WORKERS: Final = ("query", "sql", "report", "chart", "table", "webhook")

_BY_WORD: Final = {
    word.lower(): name
    for name, display in DISPLAY_NAMES.items()
    for word in (name, display, display.replace(" ", ""))
}


def one(word: str) -> str:
    """The type that a word names, in upper or lower case. Raises ValueError naming the known ones."""
    name = _BY_WORD.get(word.strip().lower())
    if name is None:
        raise ValueError(f"expected one of {', '.join(DISPLAY_NAMES)}")
    return name


def named(words: Iterable[str], field: str) -> tuple[str, ...]:
    """The types that `words` name, in upper or lower case. Raises Invalid naming the known ones."""
    found: list[str] = []
    unknown: list[str] = []
    for word in words:
        name = _BY_WORD.get(word.strip().lower())
        (found if name else unknown).append(name or word)
    if unknown:
        known = ", ".join(f"{name} ({display})" for name, display in DISPLAY_NAMES.items())
        text = f"no component type is called {', '.join(repr(word) for word in unknown)}; there are {known}"
        raise Invalid(
            "INVALID_FIELD", f"{field}: {text}", fields=[FieldViolation(field, text, "UNKNOWN_TYPE")]
        )
    return tuple(found)


def has_program(config: Mapping[str, object]) -> bool:
    """Whether a DATA or OUTPUT component with this config does something that needs a worker."""
    return any(config.get(name) for name in _DONE_BY_WORKERS) or "file" in config
