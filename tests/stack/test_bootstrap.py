"""The environment is made from hashed locks, with uv from wherever it can be had, or one clear sentence."""

import hashlib
import http.server
import importlib.util
import io
import os
import platform
import re
import subprocess
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAKE_UV = b"#!/bin/sh\necho uv 9.9.9\n"


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """deploy/bootstrap.py, with its tools in a temporary folder."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "deploy" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TOOLS", tmp_path / "tools")
    (tmp_path / "tools").mkdir()
    return module


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index on loopback with a wheel of uv for this machine; its URL."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as wheel:
        wheel.writestr("uv-9.9.9.data/scripts/uv", FAKE_UV)
    name = f"uv-9.9.9-py3-none-manylinux_2_17_{platform.machine()}.whl"
    folder = tmp_path / "index" / "uv"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content.getvalue())
    links = f'<a href="uv-9.9.9-py3-none-win32.whl">w</a> <a href="{name}#sha256=x">l</a>'
    (folder / "index.html").write_text(links)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path / "index"))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def pin(tmp_path: Path, digest: str) -> Path:
    path = tmp_path / "uv.lock"
    path.write_text(f"uv==9.9.9 \\\n    --hash=sha256:{digest}\n")
    return path


def test_uv_is_taken_from_the_configured_index_when_its_hash_is_pinned(
    bootstrap: ModuleType, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    wheel = next((tmp_path / "index" / "uv").glob("*.whl")).read_bytes()
    monkeypatch.setattr(bootstrap, "UV_PIN", pin(tmp_path, hashlib.sha256(wheel).hexdigest()))
    target = bootstrap.TOOLS / "bin" / "uv"

    bootstrap.uv_by_index(target)

    assert target.read_bytes() == FAKE_UV
    assert os.access(target, os.X_OK)


def test_a_wheel_with_another_hash_is_refused(
    bootstrap: ModuleType, index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", index)
    monkeypatch.setattr(bootstrap, "UV_PIN", pin(tmp_path, "0" * 64))

    with pytest.raises(bootstrap.BootstrapError, match="does not have a pinned hash"):
        bootstrap.uv_by_index(bootstrap.TOOLS / "bin" / "uv")

    assert not (bootstrap.TOOLS / "bin" / "uv").exists()


def test_when_nothing_works_one_sentence_says_what_to_install(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise bootstrap.BootstrapError("No module named pip")

    monkeypatch.setattr(bootstrap.shutil, "which", lambda _: None)
    monkeypatch.setattr(bootstrap, "quietly", fails)
    monkeypatch.setattr(bootstrap, "configured_index", lambda: None)

    with pytest.raises(
        bootstrap.BootstrapError, match=r"install uv, or python3-venv, or pip, or set UV_DEFAULT_INDEX"
    ):
        bootstrap.find_uv()


def test_pips_index_is_used_where_uv_has_none(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = http://packages.test/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))

    assert bootstrap.environment()["UV_DEFAULT_INDEX"] == "http://packages.test/simple"


def test_an_old_python_is_named_in_one_sentence(tmp_path: Path) -> None:
    for name in ("python3", "python3.11"):
        (tmp_path / name).write_text("#!/bin/sh\necho 3.9\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "dirname").symlink_to("/usr/bin/dirname")

    done = subprocess.run(
        ["/bin/sh", str(ROOT / "deploy" / "bootstrap.sh")],
        env={"PATH": str(tmp_path), "PYTHON": "python3"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: MCPanel needs Python 3.11, 3.12, 3.13 or 3.14, and none is on the PATH."
    )
    assert "python3 is 3.9" in done.stderr


@pytest.mark.parametrize("name", ["requirements.lock", "deploy/uv.lock"])
def test_a_lock_holds_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()

    assert not re.search(r"://|file:|^-|find-links|index", text, re.MULTILINE)
    for requirement in re.findall(r"^[a-z0-9].*$", text, re.MULTILINE):
        assert requirement.endswith("\\"), f"{requirement} has no hash"


def test_every_members_dependency_is_in_the_lock(bootstrap: ModuleType) -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))

    projects = {
        member: tomllib.loads((member / "pyproject.toml").read_text()) for member in bootstrap.members()
    }
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    wanted = [line for project in projects.values() for line in project["project"]["dependencies"]] + dev
    names = {re.split(r"[^A-Za-z0-9_.-]", line)[0].lower().replace("_", "-") for line in wanted}
    members = {project["project"]["name"] for project in projects.values()}

    assert len(members) == 10
    assert names - members - locked == set(), "run `make lock`"
