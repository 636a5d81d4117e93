"""Apps that people made, on an origin of their own: HTTP and websockets, by a tunnel to where each runs.

`server` listens, `exchange` answers one request, `tunnel` is the way to an app, `headers` says what may pass.
"""

from gateway.apps.server import AppsServer

__all__ = ["AppsServer"]
