"""Assistants on their way in: the components that one may call are resolved, checked and pinned."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from chassis.access import Subject
from chassis.database import Transaction
from registry import drafts, models, nesting, store
from registry.configs import Checked, ConfigProblem
from registry.domain import tools
from registry.domain.content import Content, Step
from registry.domain.problems import Problem, sentence
from registry.domain.tools import Tool
from registry.domain.versions import Made
from registry.nesting import TooLargeError
from registry.validation import Catalog, running

_ENDLESS: Final = "STREAMLIT_APP"
"""The type of components that a call would wait for until nobody has them open."""
_FIELD: Final = "tools"
_EFFECTFUL: Final = "effectful"
"""An assistant that is begun anew calls its tools anew: it is as effectful as they are, unless it says otherwise."""


async def check(
    tx: Transaction, config: Mapping[str, Any], checked: Checked, viewer: Subject, own_id: str
) -> Made:
    """What is wrong with the tools of an assistant's config, and what it may call.

    `checked` is what is known of the config already, and `own_id` the id of the definition whose version it is to be.
    What it may call stays while the transaction lasts.
    """
    named = models.components(config)
    if checked.problems or not named:
        return Made(checked)
    bare = Content(steps=tuple(Step(text.partition("@")[0], component=text) for text in named.values()))
    try:
        content, catalog = await drafts.look_up(tx, bare, viewer, lock=True, own_id=own_id, endless=_ENDLESS)
    except TooLargeError:
        message = f"hold more than {nesting.MAX_BYTES // 1024**2} MiB together; give the assistant fewer"
        return _refused(checked, [ConfigProblem(_FIELD, message)])
    problems = [
        ConfigProblem(path, sentence(replace(one, step="")))
        for path, step in zip(named, content.steps, strict=True)
        for one in _wrong(step, catalog, own_id)
    ]
    if problems:
        return _refused(checked, problems)
    found = await _tools(tx, content, catalog)
    if tools.size(found) > tools.MAX_SCHEMA_BYTES:
        message = f"their input schemas have more than {tools.MAX_SCHEMA_BYTES:,} bytes together; use fewer"
        return _refused(checked, [ConfigProblem(_FIELD, message)])
    effectful = any(catalog.interface(step).effect == _EFFECTFUL for step in content.steps)
    return Made(checked, content, found, effect=_EFFECTFUL if effectful else "")


def _refused(checked: Checked, problems: list[ConfigProblem]) -> Made:
    return Made(replace(checked, problems=tuple(problems)))


def _wrong(step: Step, catalog: Catalog, own_id: str) -> Iterator[Problem]:
    """Why an assistant cannot call what the step runs."""
    itself = Problem("", "", "an assistant is no tool of itself, be it inside another", "leave it out")
    if catalog.asks_for(step, own_id):
        yield itself
        return
    unpinned = list(running.component(step, "", catalog))
    yield from unpinned
    if unpinned or step.pin is None:
        return
    if step.pin.type == _ENDLESS:
        message = f"{step.id!r} is a Streamlit app, which does not end and so answers nothing"
        yield Problem("", "", message, "name a component that ends; people open the app in a workflow")
        return
    alone = Content(steps=(step,))
    if own_id in nesting.uses(alone, catalog.nested).definitions:
        yield itself
    for inside in nesting.inside(alone, catalog.nested):
        for one in catalog.nested[inside].steps if inside in catalog.nested else ():
            if one.pin is not None and one.pin.type == _ENDLESS:
                app = one.component.partition("@")[0]
                message = f"{step.id!r} holds {app!r}, a Streamlit app, which does not end"
                yield Problem("", "", message, "name a component that ends")


async def _tools(tx: Transaction, content: Content, catalog: Catalog) -> tuple[Tool, ...]:
    pinned = [(step, step.pin) for step in content.steps if step.pin is not None]
    descriptions = await store.definitions.descriptions(tx, [pin.definition_id for _, pin in pinned])
    return tuple(
        Tool(
            name=step.id,
            version_id=pin.version_id,
            component=f"{step.id}@{pin.version}",
            description=tools.described(
                descriptions.get(pin.definition_id, ""), catalog.interface(step).input_schema
            ),
            input_schema=_plain(catalog.interface(step).input_schema),
        )
        for step, pin in pinned
    )


def _plain(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if schema is None else dict(schema)
