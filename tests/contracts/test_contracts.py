"""The rules every contract follows.

Each test collects what breaks its rule, so that all offenders are named at once.
"""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

from chassis import contracts, errors, rules
from identity.domain import roles
from mcpanel.errors.v1 import errors_pb2
from tests.contracts import walk
from tests.contracts.walk import Rpc, Rule

ROOT = Path(__file__).parents[2]
REASONS = frozenset(errors_pb2.Error.Reason.keys()) - {"REASON_UNSPECIFIED"}
CODES = frozenset(errors.BY_CODE)

ONLY_LOOKS = {
    "AuditService.VerifyLog": "recomputes and compares; a POST because it works for seconds",
    "RegistryService.ValidateWorkflow": "judges a document that is too long for a query string",
    "RegistryService.ExportBundle": "asks for more than a query string holds",
}
"""RPCs that are POSTed and change nothing: neither audited nor repeated by request id."""
AUDITED_READS = {
    "AuditService.ExportActionLogs": "what is carried off in one piece is on record",
    "SecretService.RevealSecret": "who was told a secret is on record",
    "WorkerService.CallComponent": "workers alone send it; the run that it starts is on record",
    "DataSourceService.WriteRows": "what it changes is not the suite's, and is on record all the same",
}
"""RPCs that are no mutations as REST sees them, and are recorded all the same."""
WITHOUT_REQUEST_ID = ONLY_LOOKS | {
    "IdentityService.Login": "every login is one of its own; the password proves it again",
    "IdentityService.RefreshSession": "the refresh token is used up, which is its own idempotency",
    "IdentityService.AcceptInvitation": "the invitation is used up, and the password logs in",
    "DataSourceService.ExecuteQuery": "streams what it reads; there is no answer to keep",
    "EngineService.ReceiveWebhook": "the message's own id, or its content, is what makes a repeat safe",
}
RAW_BODIES = {"EngineService.ReceiveWebhook": "what is signed is the body as it was sent"}
"""RPCs whose body over REST is not their request as JSON."""
SHORT_LISTS = {
    "DataSourceService.ListDataSourceTypes": "one for each type",
    "RegistryService.ListComponentTypes": "one for each type",
    "IdentityService.ListLoginProviders": "as many as an operator configures",
    "IdentityService.ListRoles": "as many as people give names to",
}
"""Lists that are short by their nature, and so have no pages."""
NEVER_DRY = {
    "IdentityService.CreateApiKey": "there is nothing to judge that validation does not",
    "IdentityService.CreateStreamTicket": "there is nothing to judge that validation does not",
}


def broken(rpcs: list[Rpc]) -> list[str]:
    return [rpc.name for rpc in rpcs]


def test_there_are_contracts() -> None:
    assert len(walk.rpcs()) > 40
    assert len(REASONS) > 40


def test_every_rpc_has_a_rule() -> None:
    assert broken([rpc for rpc in walk.rpcs() if rpc.rule.access == Rule.ACCESS_UNSPECIFIED]) == []


def test_a_rule_names_a_permission_exactly_where_one_is_asked_for() -> None:
    needs = [rpc for rpc in walk.rpcs() if rpc.rule.access == Rule.PERMISSION and not rpc.rule.permission]
    ignores = [
        rpc
        for rpc in walk.rpcs()
        if rpc.rule.access in (Rule.PUBLIC, Rule.AUTHENTICATED) and rpc.rule.permission
    ]

    assert broken(needs + ignores) == []


def test_every_permission_is_held_by_one_role_or_by_no_person() -> None:
    held = frozenset().union(*(role.permissions for role in roles.BUILT_IN), roles.INTERNAL_PERMISSIONS)
    named = {one for rpc in walk.rpcs() for one in (rpc.rule.permission, rpc.rule.others) if one}

    assert named == held == roles.PERMISSIONS
    assert [one for one in named if not re.fullmatch(r"[a-z_]+\.[a-z]+", one)] == []


def test_every_rule_can_govern_its_rpc() -> None:
    problems = {
        rpc.name: rules.problem_of(
            rpc.rule, contracts.pool().FindMessageTypeByName(rpc.method.input_type[1:])
        )
        for rpc in walk.rpcs()
    }

    assert {name: problem for name, problem in problems.items() if problem} == {}


def test_every_rpc_that_is_asked_about_one_thing_of_somebodys_says_so() -> None:
    """What its path names is what it acts on; the exceptions belong to nobody."""
    silent = [
        rpc.name
        for rpc in walk.rpcs()
        if rpc.rule.access not in (Rule.PUBLIC, Rule.INTERNAL)
        and any(walk.variables(path) for _, path, _ in rpc.routes)
        and not rpc.rule.resources
    ]

    assert silent == [
        "AuditService.GetActionLog",
        "AuditService.GetInclusionProof",
        "AuditService.EraseSubject",
        "EngineService.DrainWorker",
        "EngineService.UndrainWorker",
        "IdentityService.GetRole",
        "IdentityService.UpdateRole",
        "IdentityService.DeleteRole",
        "IdentityService.GetServiceAccount",
        "IdentityService.UpdateServiceAccount",
        "IdentityService.DeleteServiceAccount",
    ]


def test_every_rpc_is_mapped_to_rest_or_internal() -> None:
    assert broken([rpc for rpc in walk.rpcs() if rpc.internal == bool(rpc.routes)]) == []


def test_no_two_rpcs_share_a_rest_path() -> None:
    routes = Counter((verb, walk.template(path)) for rpc in walk.rpcs() for verb, path, _ in rpc.routes)

    assert [route for route, count in routes.items() if count > 1] == []


def test_the_variables_of_a_rest_path_are_fields_of_the_request() -> None:
    unknown = [
        (rpc.name, variable)
        for rpc in walk.rpcs()
        for _, path, _ in rpc.routes
        for variable in walk.variables(path)
        if variable not in rpc.request
    ]

    assert unknown == []


def test_a_get_has_no_body_and_a_post_takes_all_of_it() -> None:
    wrong = [
        (rpc.name, verb, body)
        for rpc in walk.rpcs()
        for verb, _, body in rpc.routes
        if (body != "" if verb in ("get", "delete") else body != "*") and rpc.name not in RAW_BODIES
    ]

    assert wrong == []


def test_every_mutation_names_its_audit_action_and_no_read_does() -> None:
    assert (
        broken(
            [rpc for rpc in walk.rpcs() if rpc.changes and not rpc.rule.audit and rpc.name not in ONLY_LOOKS]
        )
        == []
    )
    recorded = [rpc for rpc in walk.rpcs() if not rpc.changes and rpc.rule.audit]
    assert broken([rpc for rpc in recorded if rpc.name not in AUDITED_READS]) == []


def test_audit_actions_are_spelled_alike_and_belong_to_one_rpc_each() -> None:
    actions = Counter(rpc.rule.audit for rpc in walk.rpcs() if rpc.rule.audit)

    assert [action for action in actions if not re.fullmatch(r"[A-Z][A-Z_]*[A-Z]", action)] == []
    assert [action for action, count in actions.items() if count > 1] == []


def test_every_mutation_can_be_repeated_by_its_request_id() -> None:
    unsafe = [
        rpc
        for rpc in walk.rpcs()
        if rpc.changes and "request_id" not in rpc.request and rpc.name not in WITHOUT_REQUEST_ID
    ]

    assert broken(unsafe) == []


def test_every_list_has_pages() -> None:
    lists = [rpc for rpc in walk.rpcs() if rpc.method.name.startswith("List") and rpc.name not in SHORT_LISTS]
    asked = [rpc for rpc in lists if not {"page_size", "page_token"} <= rpc.request.keys()]
    answered = [rpc for rpc in lists if "next_page_token" not in rpc.response]

    assert broken(asked + answered) == []


def test_creates_and_updates_can_be_tried_and_updates_have_a_mask() -> None:
    tried = [
        rpc
        for rpc in walk.rpcs()
        if rpc.method.name.startswith(("Create", "Update")) and rpc.name not in NEVER_DRY
    ]
    updates = [rpc for rpc in walk.rpcs() if rpc.method.name.startswith("Update")]

    assert broken([rpc for rpc in tried if "validate_only" not in rpc.request]) == []
    assert broken([rpc for rpc in updates if "update_mask" not in rpc.request]) == []


@pytest.mark.parametrize(
    "exceptions",
    [ONLY_LOOKS, AUDITED_READS, WITHOUT_REQUEST_ID, SHORT_LISTS, NEVER_DRY, RAW_BODIES],
    ids=["looks", "reads", "repeats", "lists", "dry", "raw"],
)
def test_every_exception_is_still_needed(exceptions: dict[str, str]) -> None:
    assert set(exceptions) - {rpc.name for rpc in walk.rpcs()} == set()


def test_every_rpc_has_a_request_and_a_response_of_its_own() -> None:
    named = [
        rpc
        for rpc in walk.rpcs()
        if not (
            rpc.method.client_streaming and rpc.method.server_streaming
        )  # Work: who speaks names the message
    ]
    wrong = [
        rpc
        for rpc in named
        if rpc.method.input_type.rpartition(".")[2] != f"{rpc.method.name}Request"
        or rpc.method.output_type.rpartition(".")[2] != f"{rpc.method.name}Response"
    ]

    assert broken(wrong) == []
    assert len({rpc.method.input_type for rpc in walk.rpcs()}) == len(walk.rpcs())


def test_everything_has_a_comment() -> None:
    assert [name for name in walk.described() if not contracts.comments().get(name)] == []


def test_every_comment_ends_a_sentence() -> None:
    ours = {name: text for name, text in contracts.comments().items() if name.startswith("mcpanel.")}

    assert [name for name, text in ours.items() if not text.endswith((".", "…", "`"))] == []


def test_services_and_rpcs_are_described_in_the_third_person() -> None:
    names = [*walk.services(), *(rpc.full_name for rpc in walk.rpcs())]
    first_words = {name: contracts.comments()[name].split()[0] for name in names}

    assert {
        name: word for name, word in first_words.items() if not re.fullmatch(r"[A-Z][a-z]*s,?", word)
    } == {}


def test_the_zero_of_every_enum_is_unspecified() -> None:
    zeros = {name: enum.value[0] for name, enum in walk.enums().items()}

    assert [
        name for name, zero in zeros.items() if zero.number or not zero.name.endswith("_UNSPECIFIED")
    ] == []


def test_every_error_reason_begins_with_its_code() -> None:
    prefix = "mcpanel.errors.v1.Error.Reason."
    wrong = [
        reason for reason in REASONS if contracts.comments()[prefix + reason].partition(":")[0] not in CODES
    ]

    assert wrong == []


def test_every_error_reason_a_comment_names_exists() -> None:
    unknown = [
        (rpc.name, reason) for rpc in walk.rpcs() for reason in _errors(rpc.comment) if reason not in REASONS
    ]

    assert unknown == []


def test_every_error_reason_the_code_raises_is_in_the_contract() -> None:
    raised = [found for path in ROOT.glob("*/**/src/**/*.py") for found in _raised(path)]

    assert len(raised) > 40
    assert [(place, reason) for place, reason in raised if reason not in REASONS] == []


def _errors(comment: str) -> list[str]:
    """The reasons after `Errors:`."""
    _, _, listed = comment.partition("Errors:")
    return re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", listed)


def _raised(path: Path) -> list[tuple[str, str]]:
    """Where a file makes one of the chassis's errors, and with which reason."""
    kinds = {kind.__name__ for kind in errors.BY_CODE.values()}
    nodes = list(ast.walk(ast.parse(path.read_text())))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "chassis.errors"]
    named = {f"errors.{kind}" for kind in kinds} | {
        alias.name for one in imports for alias in one.names
    } & kinds
    return [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0].value)
        for node in nodes
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in named
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    ]
