"""The contract's words by the names people use for them: component types, cost tiers, visibilities, statuses."""

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

INFERRED: Final = frozenset({"PYTHON_SCRIPT", "TYPESCRIPT_SCRIPT", "UTILITY", "MCP"})
"""The types of which a version's inputs can be inferred from its config."""

ICONS: Final = {
    "LLM_PROMPT_AGENT": "💬",
    "JUPYTER_NOTEBOOK": "📓",
    "PYTHON_SCRIPT": "🐍",
    "TYPESCRIPT_SCRIPT": "📜",
    "STREAMLIT_APP": "📊",
    "MCP": "🔌",
    "AI_ASSISTANT": "🤖",
    "DATA": "🗃️",
    "UTILITY": "🔧",
    "OUTPUT": "📤",
}
"""What each type is shown by."""

PACKAGE: Final = "MCP"
"""The type of components of which some are packages of others."""

ASSISTANT: Final = "AI_ASSISTANT"
"""The type of components of which some call others."""

COMPUTED: Final = frozenset({"DATA", "UTILITY", "OUTPUT"})
"""The types whose steps the engine computes itself, without a worker, unless their config `has_program`."""
_DONE_BY_WORKERS: Final = ("query", "sql", "report", "chart", "table", "webhook")

COST_TIERS: Final = {"FREE": "Free", "LOW": "Low", "MEDIUM": "Medium", "HIGH": "High"}
VISIBILITIES: Final = {"PUBLIC": "Public", "PRIVATE": "Private"}
STATUSES: Final = {"DRAFT": "Draft", "PUBLISHED": "Published", "ARCHIVED": "Archived"}
"""Where a workflow may stand."""


def one(word: str) -> str:
    """The type that a word names, in upper or lower case. Raises ValueError naming the known ones."""
    name = by_word(DISPLAY_NAMES).get(word.strip().lower())
    if name is None:
        raise ValueError(f"expected one of {', '.join(DISPLAY_NAMES)}")
    return name


def by_word(known: Mapping[str, str]) -> dict[str, str]:
    """The contract's names by all that people write for them, in lower case."""
    return {
        word.lower(): name
        for name, display in known.items()
        for word in (name, display, display.replace(" ", ""))
    }


def named(
    words: Iterable[str], field: str, known: Mapping[str, str] = DISPLAY_NAMES, what: str = "component type"
) -> tuple[str, ...]:
    """The contract's names for `words`, in upper or lower case. Raises Invalid naming the `known` ones."""
    names = by_word(known)
    found: list[str] = []
    unknown: list[str] = []
    for word in words:
        name = names.get(word.strip().lower())
        (found if name else unknown).append(name or word)
    if unknown:
        listed = ", ".join(f"{name} ({display})" for name, display in known.items())
        text = f"no {what} is called {', '.join(repr(word) for word in unknown)}; there are {listed}"
        raise Invalid(
            "INVALID_FIELD",
            f"{field}: {text}",
            fields=[FieldViolation(field, text, f"UNKNOWN_{what.rsplit(maxsplit=1)[-1].upper()}")],
        )
    return tuple(found)


def has_program(config: Mapping[str, object]) -> bool:
    """Whether a DATA or OUTPUT component with this config does something that needs a worker."""
    return any(config.get(name) for name in _DONE_BY_WORKERS) or "file" in config
