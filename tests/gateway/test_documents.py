"""The OpenAPI document and the pages over it."""

import re

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


async def test_the_pages_load_nothing_from_elsewhere(gateway: Gateway) -> None:
    for path in ("/docs", "/redoc"):
        page = await gateway.http.get(path)
        assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)

        assert assets
        for asset in assets:
            assert asset.startswith("/")
            assert (await gateway.http.get(asset)).status_code == 200


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
