"""The one way out of a cell: the worker's proxy, which answers on the cell's own loopback.

The socket is made here, where the cell's network is, and served by the worker, which holds it from then on. There is no
other interface, and no name is resolved in here.
"""

import socket

BACKLOG = 64


def listener(port: int) -> socket.socket:
    """A socket that listens on `port` of the loopback; on a free one when it is 0."""
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    one.bind(("127.0.0.1", port))
    one.listen(BACKLOG)
    return one


def variables(port: int, *, authorities: str, listens: bool) -> "dict[str, str]":
    """What tells programs of the proxy on `port`, and of the PEM file of authorities they verify servers by.

    Where the cell's own processes listen, they reach one another without it.
    """
    url = f"http://127.0.0.1:{port}"
    found = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), url)
    if listens:
        found |= dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1")
    if authorities:
        # OpenSSL's name, then those of what brings authorities of its own.
        found |= dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "DENO_CERT"), authorities)
    return found
