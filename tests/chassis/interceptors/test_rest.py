"""What may stand in the address of a call over REST."""

import dataclasses
from typing import Any

import pytest

from chassis.context import Call
from chassis.errors import Invalid
from chassis.interceptors.rest import ORIGINAL, check_address
from mcpanel.engine.v1 import engine_pb2
from mcpanel.identity.v1 import identity_pb2 as pb

CALL = Call(method="m")


def at(path: str) -> Call:
    """A call that was asked for at this address."""
    return dataclasses.replace(CALL, metadata={ORIGINAL: path})


@pytest.mark.parametrize(
    ("request_type", "path", "field"),
    [
        (pb.DeleteUserRequest, "/users/a?user_id=b", "user_id"),
        (pb.DeleteUserRequest, "/users/a?userId=b", "user_id"),
        (pb.GetUserRequest, "/users/a?user%5fid=b", "user_id"),
        (pb.GetUserRequest, "/users/a?x=1&user_id", "user_id"),
        (pb.LoginRequest, "/auth/login?email=a&password=b", "email"),
        (pb.RefreshSessionRequest, "/auth/refresh?refresh_token=b", "refresh_token"),
        (engine_pb2.StartRunRequest, "/api/v1/workflow-runs?workflow=b", "workflow"),
    ],
)
def test_a_field_stands_in_one_place(request_type: Any, path: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_address(at(path), request_type.DESCRIPTOR)

    assert [one.field for one in caught.value.fields][:1] == [field]


@pytest.mark.parametrize(
    ("request_type", "path"),
    [
        (pb.DeleteUserRequest, "/users/a?request_id=1"),
        (pb.ListUsersRequest, "/users?page_size=5&page_token=x"),
        (pb.LoginRequest, "/auth/login"),
        (pb.LoginRequest, "/auth/login?"),
        (pb.LoginRequest, ""),
    ],
)
def test_what_belongs_into_the_query_may_be_there(request_type: Any, path: str) -> None:
    check_address(at(path), request_type.DESCRIPTOR)
