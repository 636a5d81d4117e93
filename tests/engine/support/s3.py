"""A small S3: the protocol's part that a store of artifacts uses, in memory. It checks no signature."""

import hashlib
import re
import threading
import time
import uuid
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class S3:
    """Serves on the loopback. `objects` are the contents by key; `down` has it answer 503 to everything."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.modified: dict[str, float] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.sent = 0
        """How many bytes of contents were sent."""
        self.most_in_part = 0
        self.down = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"s3": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def put(self, key: str, content: bytes) -> None:
        self.objects[key] = content
        self.modified[key] = time.time()

    def remove(self, key: str) -> None:
        self.objects.pop(key, None)

    def grow_old(self, seconds: float) -> None:
        """As if everything had been stored so long before."""
        self.modified = {key: at - seconds for key, at in self.modified.items()}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    s3: S3
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Says nothing."""

    def _read(self) -> tuple[str, dict[str, str], bytes]:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        return unquote(url.path).lstrip("/").partition("/")[2], query, body

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(503 if self.s3.down else status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _about(self, key: str) -> dict[str, str]:
        tag = hashlib.md5(self.s3.objects[key], usedforsecurity=False).hexdigest()
        return {"etag": f'"{tag}"', "last_modified": formatdate(self.s3.modified[key], usegmt=True)}

    def do_PUT(self) -> None:
        key, query, body = self._read()
        if source := self.headers.get("x-amz-copy-source"):
            self.s3.put(key, self.s3.objects[unquote(source).lstrip("/").partition("/")[2]])
            self._answer(200, b'<CopyObjectResult><ETag>"x"</ETag></CopyObjectResult>')
        elif "partNumber" in query:
            self.s3.parts[query["uploadId"]][int(query["partNumber"])] = body
            self.s3.most_in_part = max(self.s3.most_in_part, len(body))
            self._answer(200, etag='"part"')
        else:
            self.s3.put(key, body)
            self._answer(200, b"", **self._about(key))

    def do_POST(self) -> None:
        key, query, body = self._read()
        if "uploads" in query:
            upload = uuid.uuid4().hex
            self.s3.parts[upload] = {}
            text = f"<UploadId>{upload}</UploadId>"
            self._answer(
                200, f"<InitiateMultipartUploadResult>{text}</InitiateMultipartUploadResult>".encode()
            )
        elif "uploadId" in query:
            parts = self.s3.parts.pop(query["uploadId"])
            self.s3.put(key, b"".join(parts[number] for number in sorted(parts)))
            text = '<ETag>"whole"</ETag>'
            self._answer(
                200, f"<CompleteMultipartUploadResult>{text}</CompleteMultipartUploadResult>".encode()
            )
        else:
            keys = re.findall(r"<Key>([^<]*)</Key>", body.decode())
            for one in keys:
                self.s3.remove(one)
            found = "".join(f"<Deleted><Key>{escape(one)}</Key></Deleted>" for one in keys)
            self._answer(200, f"<DeleteResult>{found}</DeleteResult>".encode())

    def do_DELETE(self) -> None:
        key, query, _ = self._read()
        if "uploadId" in query:
            self.s3.parts.pop(query["uploadId"], None)
        else:
            self.s3.remove(key)
        self._answer(204)

    def do_HEAD(self) -> None:
        key, _, _ = self._read()
        if key not in self.s3.objects:
            self._answer(404)
            return
        self._answer(200, b"", content_length=str(len(self.s3.objects[key])), **self._about(key))

    def do_GET(self) -> None:
        key, query, _ = self._read()
        if "list-type" in query:
            self._answer(200, self._list(query))
        elif key not in self.s3.objects:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        else:
            content = self.s3.objects[key]
            first, last = 0, len(content) - 1
            if match := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", "")):
                first, last = int(match[1]), min(int(match[2]), last)
            part = content[first : last + 1]
            self.s3.sent += len(part)
            shown = f"bytes {first}-{last}/{len(content)}"
            self._answer(206 if match else 200, part, content_range=shown, **self._about(key))

    def _list(self, query: dict[str, str]) -> bytes:
        after = max(query.get("start-after", ""), query.get("continuation-token", ""))
        keys = sorted(
            key for key in self.s3.objects if key.startswith(query.get("prefix", "")) and key > after
        )
        page = keys[:3]  # small, so that there are several
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.s3.objects[key])}</Size>"
            f"<LastModified>{_shown(self.s3.modified[key])}</LastModified>"
            '<ETag>"x"</ETag></Contents>'
            for key in page
        )
        more = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if len(keys) > len(page) else ""
        return (
            f"<ListBucketResult><IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}{found}</ListBucketResult>"
        ).encode()


def _shown(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(moment))
