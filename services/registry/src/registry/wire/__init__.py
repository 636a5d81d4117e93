"""Contract messages to domain values and back; decides nothing."""

from registry.wire import components, parts, values, workflows

__all__ = ["components", "parts", "values", "workflows"]
