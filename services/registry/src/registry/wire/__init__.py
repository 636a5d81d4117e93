"""Contract messages to domain values and back; decides nothing."""

from registry.wire import components, graphs, histories, parts, values, workflows

__all__ = ["components", "graphs", "histories", "parts", "values", "workflows"]
