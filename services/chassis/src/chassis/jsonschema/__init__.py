"""Whether a value is what its author's JSON Schema (2020-12) says.

An author's schema may be hostile: what it costs to match a value is known before it is tried. A schema whose cost has
no bound that is known, and values that are large, are matched in a process of their own (`aside`).
"""

from chassis.jsonschema.matching import MOST_LEVELS, Mismatch, Schema, SchemaError
from chassis.jsonschema.structure import MAX_WEIGHT, children, is_recursive, resolve, walk, weight

__all__ = [
    "MAX_WEIGHT",
    "MOST_LEVELS",
    "Mismatch",
    "Schema",
    "SchemaError",
    "children",
    "is_recursive",
    "resolve",
    "walk",
    "weight",
]
