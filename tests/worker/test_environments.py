"""Packages of a component: resolved, installed once, mounted read-only. The index is a folder of this test."""

import asyncio
import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.worker.support.cells import Bench, sandbox
from worker.cells.profile import Environment, Profile
from worker.environments import Environments
from worker.executors.program import BadComponentError, Requirements
from worker.executors.python import imports, requirements
from worker.store import DependencyError, Store


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that stands for the index."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    _wheel(folder, "greeting", "1.0", "def hello():\n    return 'hello'\n")
    _wheel(folder, "greeting", "2.0", "def hello():\n    return 'good day'\n")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    return folder


def _wheel(folder: Path, name: str, version: str, code: str) -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


async def _get(
    store: Environments, wanted: Requirements, say: Callable[[str], None] = lambda _: None
) -> Environment:
    async with store.use(wanted, say) as environment:
        return environment


async def test_a_script_with_inline_metadata_gets_its_packages_read_only(index: Path, tmp_path: Path) -> None:
    code = """
# /// script
# requires-python = ">=3.11"
# dependencies = ["greeting<2"]
# ///
import greeting
def main():
    try:
        open(greeting.__file__, "a")
    except OSError as error:
        return [greeting.hello(), type(error).__name__]
"""
    said: list[str] = []
    store = Environments(Store(tmp_path / "environments"))
    async with store.use(requirements(code), said.append) as environment:
        bench = Bench(sandbox(), Profile(environment=environment))

        output = await bench.output(code)
        await bench.close()

    assert output[0] == "hello"
    assert output[1] in ("PermissionError", "OSError")
    assert any("greeting==1.0" in line for line in said)
    assert environment.site is not None
    assert list(environment.site.glob("__pycache__/greeting.*.pyc"))
    assert "--hash=sha256:" in (environment.site.parent / "requirements.txt").read_text()


async def test_the_same_packages_are_installed_once(index: Path, tmp_path: Path) -> None:
    store = Environments(Store(tmp_path / "environments"))
    wanted = Requirements(("greeting",))
    said: list[str] = []

    found = await asyncio.gather(*(_get(store, wanted, said.append) for _ in range(3)))
    again = await _get(Environments(Store(tmp_path / "environments")), wanted, said.append)

    assert len({environment.digest for environment in [*found, again]}) == 1
    assert sum("installing 1 package" in line for line in said) == 1
    assert [path.name for path in (tmp_path / "environments").iterdir()] == [again.digest]


async def test_packages_that_cannot_be_had_are_named_in_the_installers_words(
    index: Path, tmp_path: Path
) -> None:
    store = Environments(Store(tmp_path / "environments"))

    with pytest.raises(DependencyError, match="greeting"):
        await _get(store, Requirements(("greeting>=3",)))

    assert list((tmp_path / "environments").iterdir()) == []


async def test_a_python_this_worker_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="requires Python >=4; this worker runs 3"):
        await _get(Environments(Store(tmp_path)), Requirements((), ">=4"))


async def test_a_waiting_process_has_imported_what_the_script_begins_with(
    index: Path, tmp_path: Path
) -> None:
    code = """
import sys
was = "greeting" in sys.modules
import greeting
def main():
    return [was, greeting.hello()]
"""
    async with Environments(Store(tmp_path / "environments")).use(
        Requirements(("greeting",)), lambda _: None
    ) as environment:
        bench = Bench(sandbox(), Profile(environment=environment))
        (await bench.ready()).import_ahead(imports(code))

        first = await bench.output(code)
        second = await _patiently(bench, code)
        await bench.close()

    assert imports(code) == ("sys", "greeting")
    assert first == [False, "good day"]
    assert second == [True, "good day"]


async def _patiently(bench: Bench, code: str) -> list[object]:
    """The output of a run whose process had time to wait."""
    for _ in range(20):
        await (await bench.ready()).idle()
        await asyncio.sleep(0.1)
        output: list[object] = await bench.output(code)
        if output[0]:
            break
    return output


def test_only_imports_at_the_top_are_made_ahead() -> None:
    code = """
import a, b.c as d
from e.f import (
    g,
    h as i,
)
from j import k
if True:
    import l
def main():
    from m import n
"""

    assert imports(code) == ("a", "b.c", "e.f", "e.f.g", "e.f.h", "j", "j.k")


def test_requirements_come_from_the_metadata_and_beside_it() -> None:
    code = "#!/usr/bin/env python\n# /// script\n# dependencies = [\n#   'b>=1',\n# ]\n# ///\nprint(1)\n"

    assert requirements(code, "a\n# a comment\n\nc==1  # why") == Requirements(("a", "b>=1", "c==1"))
    assert requirements("print(1)") == Requirements()


@pytest.mark.parametrize(
    ("code", "more", "message"),
    [
        ("# /// script\n# dependencies = 3\n# ///\n", "", "is a list of strings"),
        (
            "# /// script\n# dependencies = [\n# ///\n",
            "",
            "^in the script's metadata block, line 3: this is no TOML",
        ),
        ("# /// script\n# x = 1\n# ///\n# /// script\n# x = 1\n# ///\n", "", "a second block"),
        ("", "--index-url https://example.org", "is not a package name"),
        ("", "-r /etc/passwd", "is not a package name"),
        ("", "x @ http://127.0.0.1:8000/x-1-py3-none-any.whl", "is not a package name"),
        ("", "x @ git+file:///work/repository", "is not a package name"),
        ("", "file:///tmp/x-1-py3-none-any.whl", "is not a package name"),
        ("", "./x-1-py3-none-any.whl", "is not a package name"),
        ('# /// script\n# dependencies = ["x @ file:///tmp/x.whl"]\n# ///\n', "", "is not a package name"),
    ],
)
def test_malformed_requirements_are_refused(code: str, more: str, message: str) -> None:
    with pytest.raises(BadComponentError, match=message):
        requirements(code, more)
