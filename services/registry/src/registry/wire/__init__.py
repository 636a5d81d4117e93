"""Contract messages to domain values and back; decides nothing."""

from registry.wire import components, values, workflows

__all__ = ["components", "values", "workflows"]
