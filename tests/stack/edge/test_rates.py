"""How much the edge lets through, and what it says to who sends too much."""

import grpc
import pytest

from stack import routes
from tests.stack.edge.asking import HTTP, unary

AUTHENTICATE = "/mcpanel.identity.v1.IdentityService/Authenticate"


@pytest.mark.parametrize(
    "credential",
    [
        {"authorization": "Bearer {}"},
        {"x-api-key": "{}"},
        {"cookie": "__Host-mcpanel={}"},
    ],
)
def test_a_credential_that_sends_too_much_is_told_when_to_try_again(
    tight: int, credential: dict[str, str]
) -> None:
    ((name, form),) = credential.items()
    url = f"http://localhost:{tight}/docs"

    answers = [HTTP.get(url, headers={name: form.format("busy")}) for _ in range(12)]
    other = HTTP.get(url, headers={name: form.format("calm")})

    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].status_code == answers[1].status_code == other.status_code == 204
    assert refused
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].headers["x-ratelimit-remaining"] == "0"
    assert refused[0].json()["code"] == 8
    assert [detail.get("reason") or detail["retryDelay"] for detail in refused[0].json()["details"]] == [
        "TOO_MANY_REQUESTS",
        "1s",
    ]


def test_what_a_service_says_of_trying_again_is_in_the_header_too(tight: int) -> None:
    answer = HTTP.get(f"http://localhost:{tight}/busy")

    assert answer.json()["message"] == "busy"
    assert answer.headers["retry-after"] == "2"


def test_logins_from_one_address_have_a_limit_of_their_own(tight: int) -> None:
    url = f"http://localhost:{tight}"

    tried = [HTTP.post(f"{url}/auth/session", json={"email": f"{n}@x.org"}).status_code for n in range(20)]
    elsewhere = HTTP.get(f"{url}/docs")

    assert tried[0] == 204
    assert 429 in tried
    assert elsewhere.status_code == 204


async def test_logins_over_grpc_count_among_them(tight: int) -> None:
    codes = set()
    async with grpc.aio.insecure_channel(f"localhost:{tight}") as channel:
        for path in routes.sign_in_paths() * 4:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await unary(channel, path)(b"")
            codes.add(refused.value.code())

    assert grpc.StatusCode.RESOURCE_EXHAUSTED in codes


async def test_grpc_callers_are_told_in_grpcs_words(tight: int) -> None:
    metadata = (("authorization", "Bearer grpc"),)
    codes = set()
    async with grpc.aio.insecure_channel(f"localhost:{tight}") as channel:
        call = unary(channel, AUTHENTICATE)
        for _ in range(12):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call(b"", metadata=metadata)
            codes.add(refused.value.code())

    assert codes == {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_a_login_over_grpc_is_a_login_too() -> None:
    names = {path.rpartition("/")[2] for path in routes.sign_in_paths()}

    assert {"Login", "RegisterUser", "RefreshSession"} <= names
    assert "GetJwks" not in names
