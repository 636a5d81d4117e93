"""Between the contract's messages and secrets."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf import timestamp_pb2

from chassis import fieldmask, shares
from chassis.grants import Share
from datasources.secrets.domain import CHANGEABLE, Draft, Secret
from mcpanel.datasources.v1 import secrets_pb2 as pb


def draft(message: pb.Secret) -> Draft:
    """What a message says a secret should be; its output-only fields are not read."""
    return Draft(
        name=message.name,
        description=message.description,
        visibility=pb.Secret.Visibility.Name(message.visibility) if message.visibility else "",
        secret_value=message.secret_value,
        secret_ref=message.secret_ref,
        etag=message.etag,
    )


def changed_fields(request: pb.UpdateSecretRequest) -> tuple[str, ...]:
    """The fields an update changes. Raises Invalid INVALID_UPDATE_MASK."""
    mask = request.update_mask if request.HasField("update_mask") else None
    return fieldmask.paths(mask, request.secret, CHANGEABLE)


def secret(one: Secret) -> pb.Secret:
    """The message for a secret; its value is in no field of it, nor where that is."""
    return pb.Secret(
        id=one.id,
        name=one.name,
        description=one.description,
        owner_id=one.owner_id,
        visibility=one.visibility,
        etag=one.etag,
        created_at=_time(one.created_at),
        updated_at=_time(one.updated_at),
    )


def page(found: Iterable[Secret], next_page_token: str) -> pb.ListSecretsResponse:
    """The answer to a list."""
    return pb.ListSecretsResponse(secrets=[secret(one) for one in found], next_page_token=next_page_token)


def share(found: Share) -> pb.SecretShare:
    """The message for a share."""
    return shares.filled(pb.SecretShare, found, "secret_id")


def _time(moment: datetime) -> timestamp_pb2.Timestamp:
    found = timestamp_pb2.Timestamp()
    found.FromDatetime(moment)
    return found
