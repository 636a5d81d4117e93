"""Rules that cannot govern their RPC, and the permissions that rules name."""

from typing import Any

import pytest

from chassis import contracts
from chassis.rules import Resource, Rule, problem_of
from mcpanel.registry.v1 import registry_pb2

REQUEST: Any = registry_pb2.CreateVersionRequest.DESCRIPTOR
GOOD: dict[str, Any] = {
    "access": Rule.PERMISSION,
    "permission": "definitions.update",
    "role": Rule.EDITOR,
    "resources": [Resource(kind=Resource.DEFINITION, field="definition_id", level=Resource.EDIT)],
    "others": "resources.all",
}


def acting_on(**resource: Any) -> dict[str, Any]:
    return {"resources": [Resource(**{"kind": Resource.DEFINITION, "level": Resource.VIEW} | resource)]}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"callers": [Rule.ENGINE]},
        {"resources": []},
        acting_on(field="version.data_source_ids"),
        acting_on(listed=True),
        {"access": Rule.AUTHENTICATED, "permission": "", "role": 0},
        {"access": Rule.INTERNAL, "permission": "", "role": 0, "callers": [Rule.ENGINE]},
        {"access": Rule.INTERNAL, "permission": "worker.connect", "role": 0},
    ],
)
def test_a_rule_that_can_govern_its_rpc_has_no_problem(changed: dict[str, Any]) -> None:
    assert problem_of(Rule(**GOOD | changed), REQUEST) == ""


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"access": 0}, "has no rule"),
        ({"access": 9}, "unknown access 9"),
        ({"permission": ""}, "needs a permission"),
        ({"role": 0}, "names no role that holds definitions.update"),
        ({"role": 9}, "names no role"),
        ({"access": Rule.PUBLIC}, "names a role"),
        ({"access": Rule.AUTHENTICATED, "role": 0}, "does not need it"),
        ({"access": Rule.PUBLIC, "permission": "", "role": 0, "callers": [1]}, "lets in everybody"),
        ({"access": Rule.INTERNAL, "permission": "", "role": 0}, "names no caller"),
        ({"callers": [Rule.ENGINE, 99]}, "unknown caller, 99"),
        ({"callers": [0]}, "unknown caller, 0"),
        ({"others": ""}, "no permission for others"),
        (acting_on(field="definition_id", kind=0), "unknown kind, 0"),
        (acting_on(field="definition_id", kind=99), "unknown kind, 99"),
        (acting_on(field="definition_id", level=9), "unknown to it, 9"),
        (acting_on(), "no field names"),
        (acting_on(field="definition"), "the field definition, which is no text in CreateVersionRequest"),
        (acting_on(field="version"), "no text"),
        (acting_on(field="version.nothing"), "no text"),
        (acting_on(field="definition_id.more"), "no text"),
        (acting_on(field="validate_only"), "no text"),
    ],
)
def test_a_rule_that_cannot_govern_its_rpc_says_why(changed: dict[str, Any], problem: str) -> None:
    assert problem in problem_of(Rule(**GOOD | changed), REQUEST)


def test_what_only_reaches_others_things_is_the_administrators() -> None:
    rules = {
        "a/Get": Rule(permission="a.read", role=Rule.VIEWER, others="a.all"),
        "a/List": Rule(permission="a.read", role=Rule.VIEWER, others="a.read"),
        "a/Work": Rule(permission="a.work"),
    }

    assert contracts.holders(rules) == {"a.read": Rule.VIEWER, "a.work": 0, "a.all": Rule.ADMIN}


def test_a_permission_is_not_given_to_two_roles() -> None:
    rules = {
        "a/X": Rule(permission="a.read", role=Rule.VIEWER),
        "a/Y": Rule(permission="a.read", role=Rule.EDITOR),
    }

    with pytest.raises(ValueError, match=r"a/Y gives a\.read to another role"):
        contracts.holders(rules)
