"""SSE, downloads, documentation, reflection and health over HTTP and gRPC."""

from importlib.metadata import version

__version__ = version("mcpanel-gateway")
