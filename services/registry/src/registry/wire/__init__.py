"""Contract messages to domain values and back; decides nothing."""

from registry.wire import bundles, components, graphs, histories, parts, values, workflows

__all__ = ["bundles", "components", "graphs", "histories", "parts", "values", "workflows"]
