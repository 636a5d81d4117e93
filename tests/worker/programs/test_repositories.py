"""An app's git repository is fetched at a branch, a tag or a commit, and what is missing is named."""

import importlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
from worker.cells.attempt import Failure
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


@pytest.fixture(scope="module")
def leading(served: tuple[str, list[str]]) -> Iterator[str]:
    """The address of a server that leads to the repository at `/to/`, and is out of order elsewhere."""
    far = served[0].rstrip("/")

    class Leading(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            leads = self.path.startswith("/to/")
            self.send_response(302 if leads else 500)
            self.send_header(
                "location" if leads else "content-type", f"{far}{self.path[3:]}" if leads else "text/plain"
            )
            self.end_headers()
            self.wfile.write(b"" if leads else b"out of order\n")

    server = ThreadingHTTPServer((ADDRESS, 0), Leading)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield f"http://{ADDRESS}:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


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


def test_a_repository_is_fetched_from_where_its_host_leads(fetch: Any, leading: str, tmp_path: Path) -> None:
    fetch(f"{leading}/to/", "", tmp_path / "app")

    assert (tmp_path / "app" / "app.py").read_text() == "number = 2\n"


def test_a_host_that_is_not_reached_is_to_be_declared(fetch: Any, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="one of the version's network hosts"):
        fetch("http://127.0.0.1:1/x", "", tmp_path / "app")


@pytest.mark.parametrize(
    ("declared", "kind", "words"),
    [
        (True, "INVALID_INPUT", "'other.py' is not among the app's files"),  # those that were fetched
        (False, "DEPENDENCY_ERROR", f"is not declared; add {ADDRESS}:"),
    ],
)
async def test_an_app_fetches_its_repository_from_a_declared_host_only(
    served: tuple[str, list[str]], declared: bool, kind: str, words: str
) -> None:
    url, _ = served

    failure = await failure_of(url, [url.split("/")[2] if declared else "other.example"])

    assert (failure.kind, words in failure.message) == (kind, True), failure


async def test_a_declared_host_that_leads_to_another_says_which_is_not_declared(
    served: tuple[str, list[str]], leading: str
) -> None:
    far = served[0].split("/")[2]

    failure = await failure_of(f"{leading}/to/", [leading.removeprefix("http://")])

    assert failure.message == (
        f"the repository {leading}/to/ cannot be fetched: {far} is not declared; add {far} to the version's "
        f"network_hosts (its host leads to {far})"
    )


async def test_a_declared_host_that_does_not_answer_rightly_is_not_called_undeclared(leading: str) -> None:
    host = leading.removeprefix("http://")

    failure = await failure_of(f"{leading}/broken/", [host])

    assert failure.message == (
        f"the repository {leading}/broken/ cannot be fetched: {host} answers with HTTP status 500: out of order"
    )


async def failure_of(url: str, hosts: list[str]) -> Failure:
    """Why an app of the repository fails (it has no `other.py`), where its step may reach the hosts."""
    toolbox = await Toolboxes(beside_packages()).get("app", lambda _: None)
    profile = Profile(toolbox=toolbox, program="app", listens=True, network=True)
    cell = await Cell.start(sandbox(Limits()), profile)
    config = {"main": "other.py", "path": "/apps/r1/s1/", "files": [], "repository": url, "ref": ""}
    reach = Reach.of(hosts, guard())

    outcome = await cell.run(job("", config=config, reach=reach), Remembering())
    await cell.close()

    assert outcome.failure is not None
    return outcome.failure
