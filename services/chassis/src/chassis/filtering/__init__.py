"""Filters and orders of list requests: the AIP-160 and AIP-132 subsets that every list speaks.

    name = "weather" AND (tags:"daily" OR created_at > "2026-01-01T00:00:00Z") AND NOT archived = true

As in AIP-160, OR binds more tightly than AND, `:` is "has", `-` and `NOT` negate, and `*` at either end of a
value stands for anything. This module parses; `chassis.filtering.sql` makes SQLAlchemy conditions of what it
finds.
"""

from chassis.filtering.order import Order, parse_order
from chassis.filtering.parser import MAX_LENGTH, parse
from chassis.filtering.tree import And, Comparison, Filter, Not, Or

__all__ = ["MAX_LENGTH", "And", "Comparison", "Filter", "Not", "Or", "Order", "parse", "parse_order"]
