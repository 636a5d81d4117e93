"""Contents on their way into the database and out of it, and into messages and out of them."""

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from chassis.interceptors.validation import validate
from mcpanel.registry.v1 import workflow_pb2
from registry import wire
from registry.domain.content import (
    ABSENT,
    Approval,
    Cache,
    Concurrency,
    Content,
    Input,
    Pin,
    RateLimit,
    Resources,
    Retry,
    Step,
    WorkflowPin,
)
from registry.domain.stored import digest, from_json, to_json
from registry.domain.workflows import CONTENT, Draft

STEP = Step(
    id="a",
    component="extract@1",
    workflow="report@3",
    with_={"city": "x", "none": None},
    if_="${{ inputs.n > 1 }}",
    needs=("b",),
    join="any",
    for_each=[1, "${{ inputs.n }}", None],
    max_parallel=3,
    on_failure="continue",
    approval=Approval("Really?", timedelta(days=1), ("Admin",)),
    retry=Retry(3, timedelta(seconds=2), 1.5, timedelta(hours=1), 0.5, ("TIMED_OUT",)),
    timeout=timedelta(minutes=1),
    waiting_timeout=timedelta(minutes=2),
    heartbeat_timeout=timedelta(minutes=3),
    cache=Cache("v1", timedelta(days=7)),
    rate_limit=RateLimit(10, timedelta(seconds=1.5), "mails"),
    effect="pure",
    pool="gpu",
    labels=("cuda", "eu"),
    resources=Resources(0.5, "512Mi"),
    pin=Pin("v1", "1.2.0", "PYTHON_SCRIPT", "d1"),
    workflow_pin=WorkflowPin("w1", 3),
)
"""A step that says everything, which none may."""
CONTENT_OF_ALL = Content(
    inputs={"n": Input("integer", 1, "how many"), "null": Input("", None), "open": Input()},
    steps=(STEP, Step("b", approval=Approval())),
    outputs={"r": ["${{ steps.a.output }}", None]},
    timeout=timedelta(hours=1.5),
    concurrency=Concurrency("${{ inputs.n }}", 2, "drop_new"),
    priority=-7,
)
OTHERS: dict[str, Any] = {
    "id": "c",
    "component": "extract",
    "workflow": "report",
    "with_": {},
    "if_": "",
    "needs": (),
    "join": "ended",
    "for_each": None,
    "max_parallel": 0,
    "on_failure": "",
    "approval": Approval("Really?", timedelta(days=2), ("Admin",)),
    "retry": dataclasses.replace(STEP.retry or Retry(1), jitter=0.0),
    "timeout": None,
    "waiting_timeout": None,
    "heartbeat_timeout": timedelta(minutes=4),
    "cache": Cache("v2", timedelta(days=7)),
    "rate_limit": RateLimit(10, None, "mails"),
    "effect": "",
    "pool": "",
    "labels": ("cuda",),
    "resources": Resources(1, "512Mi"),
    "pin": None,
    "workflow_pin": WorkflowPin("w1", 4),
}
"""Another value for each field of a step."""

RELEASED: dict[str, Any] = {
    "inputs": {
        "city": {"type": "string", "description": "where", "default": "Seattle"},
        "any": {"type": "", "description": ""},
    },
    "steps": [
        {
            "id": "extract",
            "component": "weather@1",
            "with": {"city": "${{ inputs.city }}"},
            "if": "${{ true }}",
            "needs": [],
            "retry": {"max_attempts": 3, "backoff": 2.0, "factor": 2.0, "max_backoff": None},
            "timeout": 60.0,
            "pin": {
                "version_id": "v1",
                "version": "1.2.0",
                "type": "PYTHON_SCRIPT",
                "definition_id": "d1",
            },
        },
        {
            "id": "show",
            "component": "show",
            "with": {},
            "if": "",
            "needs": ["extract"],
            "pin": {"version_id": "v2", "version": "1.0.0", "type": "OUTPUT", "definition_id": "d2"},
        },
    ],
    "outputs": {"rows": "${{ steps.extract.output }}"},
}
"""What was stored before there were workflows in workflows, approvals and all that came with them."""
RELEASED_DIGEST = "46c9bd88d9e0dc2c925195eda344c4ae2e5ed17ef5e2d09b17d4a9bd364aee72"


def test_what_an_earlier_release_stored_is_read_and_means_the_same() -> None:
    content = from_json(RELEASED)

    assert to_json(content) == RELEASED
    assert digest(content) == RELEASED_DIGEST
    assert (content.timeout, content.concurrency, content.priority) == (None, None, 0)
    assert content.steps[1].for_each is ABSENT
    assert content.steps[0].retry == Retry(3, timedelta(seconds=2), 2.0)


def test_everything_survives_the_database() -> None:
    stored = from_json(json.loads(json.dumps(to_json(CONTENT_OF_ALL))))

    assert stored == CONTENT_OF_ALL
    assert digest(stored) == digest(CONTENT_OF_ALL)


def test_everything_survives_the_message() -> None:
    message = wire.workflows.drafted(Draft(content=CONTENT_OF_ALL))
    read = wire.workflows.draft(workflow_pb2.Workflow.FromString(message.SerializeToString())).content

    validate(message)
    pinned = [dataclasses.replace(step, pin=None, workflow_pin=None) for step in CONTENT_OF_ALL.steps]
    assert read == dataclasses.replace(CONTENT_OF_ALL, steps=tuple(pinned))
    step = message.steps[0]
    assert (step.component_version_id, step.component_version, step.component_type) == ("v1", "1.2.0", 3)
    assert (step.workflow_id, step.workflow_version) == ("w1", 3)


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Step)])
def test_a_change_of_any_field_of_a_step_makes_another_version(name: str) -> None:
    changed = dataclasses.replace(STEP, **{name: OTHERS[name]})
    content = dataclasses.replace(CONTENT_OF_ALL, steps=(changed, *CONTENT_OF_ALL.steps[1:]))

    assert digest(content) != digest(CONTENT_OF_ALL)
    assert from_json(to_json(content)) == content


@pytest.mark.parametrize("name", CONTENT)
def test_a_change_of_any_field_of_the_content_makes_another_version(name: str) -> None:
    content = dataclasses.replace(CONTENT_OF_ALL, **{name: getattr(Content(), name)})

    assert digest(content) != digest(CONTENT_OF_ALL)
    assert from_json(to_json(content)) == content


def test_for_each_of_null_is_not_none_at_all() -> None:
    null, none = Content(steps=(Step("a", for_each=None),)), Content(steps=(Step("a"),))

    assert digest(null) != digest(none)
    assert from_json(to_json(null)) == null
