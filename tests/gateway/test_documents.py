"""The OpenAPI document and the pages over it."""

import re

import pytest
from jsonschema import Draft202012Validator

from gateway import openapi
from tests.gateway.conftest import Gateway


def test_every_reference_in_the_document_resolves() -> None:
    document = openapi.document()
    text = str(document)

    for name in set(re.findall(r"#/components/schemas/([\w.]+)", text)):
        assert document["components"]["schemas"][name]


def test_every_schema_in_the_document_is_a_json_schema() -> None:
    for schema in openapi.document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_says_what_it_does_and_is_named_once() -> None:
    operations = [
        (operation["operationId"], verb, path, operation)
        for path, verbs in openapi.document()["paths"].items()
        for verb, operation in verbs.items()
    ]

    assert all(operation["summary"] for *_, operation in operations)
    for name in {name for name, *_ in operations}:
        same = {str(operation["responses"]["200"]) for found, *_, operation in operations if found == name}
        assert len(same) == 1


def test_what_a_path_can_only_be_is_no_parameter_of_it() -> None:
    listed = openapi.document()["paths"]["/context"]["get"]

    assert "collection" not in {one["name"] for one in listed["parameters"]}


async def test_the_pages_load_nothing_from_elsewhere(gateway: Gateway) -> None:
    for path in ("/docs", "/redoc"):
        page = await gateway.http.get(path)
        assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)

        assert assets
        for asset in assets:
            assert asset.startswith("/")
            assert (await gateway.http.get(asset)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v1/workflow-runs", "GET, POST"),
        ("DELETE", "/api/v1/workflow-runs/0198-x", "GET"),
        ("POST", "/api/v1/workflow-runs/0198-x:explain", "GET"),
        ("GET", "/api/v1/workflow-runs/0198-x:cancel", "POST"),
        ("POST", "/api/v1/workflow-runs/0198-x/steps/each[3]/load", "GET"),
        ("GET", "/api/v1/workflow-runs/0198-x/steps/each[3]/load:decide", "POST"),
        ("OPTIONS", "/users", "GET"),
        ("PATCH", "/context", "GET, POST"),
        ("PATCH", "/context/clock", "DELETE, GET, PUT"),
        ("POST", "/health", "GET, HEAD"),
    ],
)
async def test_a_known_path_names_the_methods_that_it_takes(
    gateway: Gateway, method: str, path: str, allowed: str
) -> None:
    answer = await gateway.http.request(method, path)

    error = answer.json()
    assert (answer.status_code, error["code"]) == (405, 12)
    assert answer.headers["allow"] == allowed
    assert error["message"] == f"{path} does not take {method}, but {allowed}; see /docs"
    assert error["details"][0]["reason"] == "METHOD_NOT_OFFERED"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/v1/schedules/x:puase", "':puase' here; there is POST :pause, POST :resume, POST :trigger"),
        (
            "/api/v1/workflow-runs/0198-x:canel",
            "POST :cancel, GET :compare, GET :explain, POST :pause, POST :rerun, POST :resume, GET :watch",
        ),
        ("/api/v1/workflow-runs:conut", "POST :cancel, GET :count, POST :rerun, GET :watch"),
        ("/api/v1/roles:x", "there is nothing at POST /api/v1/roles:x; see /docs"),
        ("/api/v1/workflow-runs/0198-x:cancel/x", "there is nothing at POST"),
        ("/:", "there is nothing at POST /:; see /docs"),
    ],
)
async def test_a_call_that_there_is_not_is_told_which_there_are(
    gateway: Gateway, path: str, said: str
) -> None:
    answer = await gateway.http.post(path)

    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (404, "PATH_NOT_FOUND")
    assert said in answer.json()["message"]


async def test_a_call_that_came_round_the_edge_is_sent_there(gateway: Gateway) -> None:
    answer = await gateway.http.patch("/users/me")

    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (404, "PATH_NOT_FOUND")
    assert (
        answer.json()["message"]
        == "PATCH /users/me is answered at the edge, not by the gateway; send it there"
    )


async def test_an_unknown_path_answers_in_the_form_of_every_error(gateway: Gateway) -> None:
    answer = await gateway.http.get("/nowhere")

    assert answer.status_code == 404
    assert answer.json() == {
        "code": 5,
        "message": "there is nothing at GET /nowhere; see /docs",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "PATH_NOT_FOUND",
                "domain": "mcpanel",
            }
        ],
    }
