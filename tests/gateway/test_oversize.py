"""Bodies that are too large, as the edge sends them on."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.conftest import Gateway


@pytest.mark.parametrize(("limit", "said"), [(4 * 2**20, "4 MiB"), (256 * 2**10, "256 KiB")])
async def test_a_body_is_read_to_its_end_and_refused(gateway: Gateway, limit: int, said: str) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(20):
            sent += 1
            yield b"x" * 1000

    answer = await gateway.http.post(f"/edge/too-large/{limit}/api/v1/anything", content=body())

    assert (answer.status_code, sent) == (413, 20)
    error = answer.json()
    assert error["code"] == 8
    assert error["message"] == f"the body is larger than {said}; send less, or where the data lies"
    assert error["details"][0]["metadata"] == {"limit_bytes": str(limit)}
