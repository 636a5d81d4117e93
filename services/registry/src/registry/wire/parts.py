"""What something is made of."""

from collections.abc import Iterable

from mcpanel.registry.v1 import registry_pb2 as pb
from registry.domain.lending import Part

_Missing = pb.CheckPartsResponse.Missing


def missing(parts: Iterable[Part]) -> list[_Missing]:
    """The messages of what may not be used."""
    return [
        _Missing(
            kind=part.kind.upper(),
            id=part.id,
            name=part.name,
            used_by=part.used_by,
            lender_ids=part.lenders,
            deleted=part.is_deleted,
        )
        for part in parts
    ]
