"""Which fields of a step go together."""

from collections.abc import Iterator
from typing import Final

from registry.domain.content import Step
from registry.domain.problems import Problem
from registry.kinds import COMPUTED

_INSIDE: Final = (
    *("retry", "cache", "rate_limit", "pool", "labels", "resources", "effect"),
    *("heartbeat_timeout", "waiting_timeout"),
)
"""What belongs to the steps inside a workflow, not to the step that runs it."""
_OF_WORKERS: Final = (
    *("retry", "cache", "rate_limit", "pool", "labels", "resources"),
    *("timeout", "heartbeat_timeout", "waiting_timeout"),
)
"""What means nothing where no worker is needed."""
_OF_WORK: Final = ("with", "for_each", "max_parallel", "effect", *_OF_WORKERS)
"""What means nothing where nothing runs."""


def problems(
    step: Step, path: str, effect: str, *, waits: bool, is_package: bool = False, has_program: bool = False
) -> Iterator[Problem]:
    """What does not go together in a step.

    `effect` is that of its component's version; `waits` says whether the step needs others,
    `is_package` whether its component is made of others, `has_program` whether it needs a worker whatever its type is.
    """
    kind = "package" if is_package else _kind(step)
    if step.component and step.workflow:
        text = "a step runs a component or a workflow, not both"
        yield Problem(step.id, f"{path}.workflow", text, "remove one of them")
    elif not kind:
        fix = "add component: name@1, workflow: name, or approval alone"
        yield Problem(step.id, f"{path}.component", "a step says what runs", fix)
    for name, message, fix in _strangers(step, kind, has_program=has_program):
        if step.has(name):
            yield Problem(step.id, f"{path}.{name}", message, fix)
    if step.max_parallel and not step.has("for_each") and kind != "approval":
        text = "max_parallel says how many items of for_each run at once, and there is no for_each"
        yield Problem(step.id, f"{path}.max_parallel", text, "add for_each, or remove it")
    if step.join not in ("", "all") and not waits:
        text = f"join: {step.join} is about the steps that this one needs, and it needs none"
        yield Problem(step.id, f"{path}.join", text, "add needs, or remove join")
    if step.cache is not None:
        yield from _cache(step, path, effect)


def _kind(step: Step) -> str:
    if step.component or step.workflow:
        return "component" if step.component else "workflow"
    return "approval" if step.approval is not None else ""


def _strangers(step: Step, kind: str, *, has_program: bool) -> Iterator[tuple[str, str, str]]:
    """The fields that such a step has no use for: name, why, what to do."""
    if kind == "workflow":
        for name in _INSIDE:
            yield name, f"{name} belongs to the steps inside the workflow", "put it there, not here"
    elif kind == "package":
        for name in _INSIDE:
            fix = "remove it, or make the components steps of a workflow"
            yield name, f"{name} would have no effect on a package of components", fix
    elif kind == "approval":
        for name in _OF_WORK:
            message = f"a step that only waits for an approval has no use for {name}"
            yield name, message, "remove it, or add what runs"
    elif step.pin is not None and step.pin.type in COMPUTED and not has_program:
        for name in _OF_WORKERS:
            yield (
                name,
                f"{name} would have no effect: the engine computes {step.pin.type} itself",
                "remove it",
            )


def _cache(step: Step, path: str, effect: str) -> Iterator[Problem]:
    if step.cache is not None and step.cache.ttl is None:
        text = "a cache says how long an output may be reused"
        yield Problem(step.id, f"{path}.cache.ttl", text, "add ttl, e.g. ttl: 1h")
    if (step.effect or effect) == "effectful":
        why = "the step is effectful" if step.effect else f"{step.component} is effectful"
        fix = "remove cache, or say effect: idempotent if running it again changes nothing"
        yield Problem(step.id, f"{path}.cache", f"{why}, so its output is not reused", fix)
