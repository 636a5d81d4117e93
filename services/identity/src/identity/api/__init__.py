"""The IdentityService: who may do what.

`users`, `invitations`, `sessions`, `roles`, `accounts`, `keys`, `streams`, `external` and `internal` hold the
methods, by what they are about; `common` has what they share.
"""

from identity.api.accounts import Accounts
from identity.api.common import Parts
from identity.api.external import External
from identity.api.internal import Internal
from identity.api.invitations import Invitations
from identity.api.keys import Keys
from identity.api.roles import Roles
from identity.api.sessions import Sessions
from identity.api.streams import Streams
from identity.api.users import Users
from mcpanel.identity.v1 import identity_pb2_grpc

__all__ = ["IdentityService", "Parts"]


class IdentityService(
    Users,
    Sessions,
    Roles,
    Invitations,
    Accounts,
    Keys,
    Internal,
    Streams,
    External,
    identity_pb2_grpc.IdentityServiceServicer,
):
    """The servicer."""
