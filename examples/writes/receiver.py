"""A receiver of messages: answers each with the headers and the body that it got."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver(BaseHTTPRequestHandler):
    """Answers POSTs."""

    def do_POST(self) -> None:
        """Says what came."""
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        signed = {
            name.lower(): value for name, value in self.headers.items() if name.lower().startswith("webhook-")
        }
        answer = json.dumps({"headers": signed, "body": body}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


host, _, port = sys.argv[1].rpartition(":")
ThreadingHTTPServer((host, int(port)), Receiver).serve_forever()
