"""Whether there is what a step runs."""

from collections.abc import Iterator

from registry import nesting, resolution
from registry.domain.content import Content, Step
from registry.domain.problems import Problem
from registry.nesting import MAX_DEPTH, MAX_STEPS
from registry.resolution import UnresolvedError, did_you_mean
from registry.validation.catalog import Catalog


def component(step: Step, path: str, catalog: Catalog) -> Iterator[Problem]:
    """Why the step's component cannot be pinned."""
    if step.pin is not None:
        yield from _deep(step, path, catalog)
    if step.pin is not None or not step.component:
        return
    try:
        reference = resolution.parse(step.component)
        found = catalog.components.get(reference.name)
        if found is not None:
            resolution.resolve(reference, found)
    except UnresolvedError as error:
        yield Problem(step.id, path, error.message, error.fix)
        return
    if found is None:
        fix = did_you_mean(reference.name, catalog.component_names) or "create it first"
        yield Problem(step.id, path, f"there is no component {reference.name!r}", fix)


def workflow(step: Step, path: str, catalog: Catalog, own: str) -> Iterator[Problem]:
    """Why the step's workflow cannot be pinned, or not be run; `own` is the name of the workflow it stands in."""
    if not step.workflow:
        return
    try:
        name, version = nesting.parse(step.workflow)
        found = catalog.callees.get(name)
        if name == own:
            # Circles cannot be: what is pinned was saved before. This would run an older version of itself, one
            # more inside it with every save, and nobody means that.
            message = "a workflow is no step of itself"
            yield Problem(step.id, path, message, "run another, or repeat the step with for_each")
            return
        if found is not None:
            nesting.resolve(version, found)
    except UnresolvedError as error:
        yield Problem(step.id, path, error.message, error.fix)
        return
    if found is None:
        others = [one for one in catalog.workflow_names if one != own]
        fix = did_you_mean(name, others) or "create it first"
        yield Problem(step.id, path, f"there is no workflow {name!r}", fix)
    else:
        yield from _inside(step, path, catalog)


def _inside(step: Step, path: str, catalog: Catalog) -> Iterator[Problem]:
    content = catalog.nested.get(step.workflow_pin) if step.workflow_pin is not None else None
    if content is None:
        yield Problem(step.id, path, "this workflow was deleted", "run another")
        return
    if why := nesting.deleted(content, catalog.nested, catalog.gone):
        message = f"{step.workflow!r} can run no more: its step {why}, which was deleted"
        yield Problem(step.id, path, message, "run another version of it, or mend it first")
    yield from _deep(step, path, catalog)


def _deep(step: Step, path: str, catalog: Catalog) -> Iterator[Problem]:
    depth, _ = nesting.measure(Content(steps=(step,)), catalog.nested)
    if depth > MAX_DEPTH:
        what = "workflows, packages and assistants"
        message = f"{what} lie inside each other {depth} deep here, more than {MAX_DEPTH}"
        yield Problem(step.id, path, message, "run what lies inside it directly")


def steps(content: Content, catalog: Catalog) -> Iterator[Problem]:
    """Whether there are too many steps, those inside other workflows included."""
    _, count = nesting.measure(content, catalog.nested)
    if count > MAX_STEPS:
        message = (
            f"there are {count:,} steps in all, those inside workflows included, more than {MAX_STEPS:,}"
        )
        yield Problem("", "steps", message, "split the workflow, or run one workflow for_each item of a list")
