"""Bundles."""

from collections.abc import Iterable

from mcpanel.registry.v1 import bundle_pb2
from registry.domain.plans import Item, Reference


def items(found: Iterable[Item]) -> list[bundle_pb2.BundleItem]:
    """The messages of what becomes of things."""
    return [
        bundle_pb2.BundleItem(
            kind=one.kind,
            name=one.name,
            version=one.version,
            action=one.action,
            id=one.id,
            message=one.message,
        )
        for one in found
    ]


def references(found: Iterable[Reference]) -> list[bundle_pb2.BundleReference]:
    """The messages of what a bundle refers to."""
    return [
        bundle_pb2.BundleReference(kind=one.kind, name=one.name, used_by=one.used_by, fix=one.fix)
        for one in found
    ]
