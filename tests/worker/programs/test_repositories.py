"""An app's git repository is fetched at a branch, a tag or a commit, and what is missing is named."""

import importlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import WSGIRequestHandlerLogger, WSGIServerLogger, make_server, make_wsgi_chain

from tests.worker.network.servers import ADDRESS, guard
from tests.worker.support.cells import Remembering, job, sandbox
from worker import toolboxes
from worker.cells.cell import Cell
from worker.cells.limits import Limits
from worker.cells.profile import Profile
from worker.network import Reach
from worker.toolboxes import Toolboxes, beside_packages

# Of a branch that is not there dulwich leaves what it fetched open; a cell's process ends with it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def fetch(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function, imported as in a cell."""
    monkeypatch.syspath_prepend(str(Path(toolboxes.__file__).parent))
    return importlib.import_module("programs.repositories").fetch


class Quiet(WSGIRequestHandlerLogger):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """The address of a repository with three commits, the tag `v1` at the second; and the commits."""
    folder = tmp_path_factory.mktemp("repository")
    repository = Repo.init(str(folder))
    commits: list[str] = []
    for number in range(3):
        (folder / "app.py").write_text(f"number = {number}\n")
        porcelain.add(repository, [str(folder / "app.py")])
        who = b"Ada <ada@example.com>"
        commits.append(porcelain.commit(repository, message=b"x", author=who, committer=who).decode())
        if number == 1:
            porcelain.tag_create(repository, b"v1")
    backends: dict[str, Any] = {"/": repository}
    chain = make_wsgi_chain(DictBackend(backends))
    server = make_server(ADDRESS, 0, chain, handler_class=Quiet, server_class=WSGIServerLogger)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://{ADDRESS}:{server.server_port}/", commits
    server.shutdown()
    thread.join()
    server.server_close()
    repository.close()


@pytest.mark.parametrize(("ref", "number"), [("", 2), ("v1", 1), ("0", 0)])
def test_files_are_those_of_the_branch_the_tag_or_the_commit(
    fetch: Any, served: tuple[str, list[str]], tmp_path: Path, ref: str, number: int
) -> None:
    url, commits = served

    fetch(url, commits[0] if ref == "0" else ref, tmp_path / "app")

    assert (tmp_path / "app" / "app.py").read_text() == f"number = {number}\n"


@pytest.mark.parametrize(("ref", "words"), [("v2", "no branch or tag 'v2'"), ("0" * 40, "no commit '000")])
def test_what_the_repository_has_not_is_named(
    fetch: Any, served: tuple[str, list[str]], tmp_path: Path, ref: str, words: str
) -> None:
    with pytest.raises(Exception, match=words) as failed:
        fetch(served[0], ref, tmp_path / "app")

    assert getattr(failed.value, "kind", "") == "DEPENDENCY_ERROR"


def test_a_host_that_is_not_reached_is_to_be_declared(fetch: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="one of the version's network hosts"):
        fetch("http://127.0.0.1:1/x", "", tmp_path / "app")


@pytest.mark.parametrize(
    ("declared", "kind", "words"),
    [
        (True, "INVALID_INPUT", "'other.py' is not among the app's files"),  # those that were fetched
        (False, "DEPENDENCY_ERROR", "one of the version's network hosts"),
    ],
)
async def test_an_app_fetches_its_repository_from_a_declared_host_only(
    served: tuple[str, list[str]], declared: bool, kind: str, words: str
) -> None:
    url, _ = served
    toolbox = await Toolboxes(beside_packages()).get("app", lambda _: None)
    profile = Profile(toolbox=toolbox, program="app", listens=True, network=True)
    cell = await Cell.start(sandbox(Limits()), profile)
    config = {"main": "other.py", "path": "/apps/r1/s1/", "files": [], "repository": url, "ref": ""}
    reach = Reach.of([url.split("/")[2] if declared else "other.example"], guard())

    outcome = await cell.run(job("", config=config, reach=reach), Remembering())
    await cell.close()

    assert outcome.failure is not None
    assert (outcome.failure.kind, words in outcome.failure.message) == (kind, True), outcome.failure
