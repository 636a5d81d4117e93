"""Fakes of npm's and JSR's registries: they speak as much of the protocols as Deno's fetching asks for."""

import base64
import hashlib
import io
import json
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class FakeRegistries:
    """Both registries on one port of this machine, each package with one version."""

    def __init__(self) -> None:
        self._answers: dict[str, bytes] = {}
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append(self.path)
                body = fake._answers.get(self.path.replace("%2f", "/"))
                self.send_response(404 if body is None else 200)
                kind = "text/typescript" if self.path.endswith(".ts") else "application/json"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name above
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()

    def npm(self, name: str, version: str, code: str, *, intact: bool = True, **more: Any) -> None:
        """Publishes a package of npm: an ES module. `intact`: whether its digest is that of its content."""
        manifest = {"name": name, "version": version, "type": "module", "main": "index.js", **more}
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for path, text in (("package.json", json.dumps(manifest)), ("index.js", code)):
                info = tarfile.TarInfo(f"package/{path}")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))
        tarball = content.getvalue()
        digest = hashlib.sha512(tarball if intact else b"something else").digest()
        dist = {
            "tarball": f"{self.url}/npm/{name}/-/{version}.tgz",
            "integrity": f"sha512-{base64.b64encode(digest).decode()}",
        }
        about = {
            "name": name,
            "dist-tags": {"latest": version},
            "versions": {version: {**manifest, "dist": dist}},
        }
        self._answers[f"/npm/{name}"] = json.dumps(about).encode()
        self._answers[f"/npm/{name}/-/{version}.tgz"] = tarball

    def jsr(self, name: str, version: str, files: dict[str, str], *, intact: bool = True) -> None:
        """Publishes a package of JSR, `@scope/name`, whose entry is /mod.ts."""
        scope, _, short = name.removeprefix("@").partition("/")
        manifest = {
            path: {
                "size": len(text.encode()),
                "checksum": f"sha256-{hashlib.sha256(text.encode() if intact else b'').hexdigest()}",
            }
            for path, text in files.items()
        }
        about = {"scope": scope, "name": short, "latest": version, "versions": {version: {}}}
        self._answers[f"/jsr/{name}/meta.json"] = json.dumps(about).encode()
        one = {"manifest": manifest, "exports": {".": "./mod.ts"}}
        self._answers[f"/jsr/{name}/{version}_meta.json"] = json.dumps(one).encode()
        for path, text in files.items():
            self._answers[f"/jsr/{name}/{version}{path}"] = text.encode()
