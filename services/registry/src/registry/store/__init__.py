"""All of the registry's SQL, a module a noun. Functions take the open transaction first and never commit."""

from registry.store import definitions, graphs, lookup, parts, templates, versions, workflows

__all__ = ["definitions", "graphs", "lookup", "parts", "templates", "versions", "workflows"]
