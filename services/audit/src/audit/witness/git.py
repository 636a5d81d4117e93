"""A git repository as a witness: each checkpoint a file and a commit, pushed to a branch."""

import asyncio
import hashlib
import random
import re
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

from dulwich.client import get_transport_and_path
from dulwich.errors import GitProtocolError, HangupException, NotGitRepository
from dulwich.file import FileLocked
from dulwich.object_store import tree_lookup_path
from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo
from urllib3.exceptions import HTTPError

from audit.witness.places import PlaceUnreachable, first_line, shown

T = TypeVar("T")
_BRANCH: Final = b"refs/heads/audit-checkpoints"
_NAME: Final = re.compile(rb"(\d{1,19})\.note")
_AUTHOR: Final = b"mcpanel audit <audit@localhost>"
_MEANWHILE: Final = (GitProtocolError, FileLocked)
_REFUSED: Final = (*_MEANWHILE, HangupException, NotGitRepository, HTTPError, OSError, KeyError)
PATIENCE: Final = 60.0
"""Seconds that a repository may take to answer."""
_LARGEST: Final = 64 * 1024
_TRIES: Final = 10
_LONGEST_PAUSE: Final = 0.3


class Git:
    """Notes as files under `<origin>/` on the branch `audit-checkpoints` of a remote repository."""

    def __init__(self, url: str, origin: str, cache: Path) -> None:
        """`url` is the remote's, as git takes it (`https://…`, `ssh://…`, `file:///…`); `cache` a folder for a copy."""
        self.name = f"git+{shown(url)}"
        self._url = url
        self._folder = quote(origin, safe="").encode()
        self._cache = cache / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.git"
        self._turn = asyncio.Lock()
        self._owes = False
        """Whether a question is with the repository that was not answered yet."""

    async def newest(self) -> str | None:
        """The note of the largest tree that is kept there."""
        async with self._turn:
            return await self._reached(self._newest)

    async def keep(self, tree_size: int, note: str) -> str:
        """Commits and pushes a note, unless there is one of that size; returns the one that is there."""
        async with self._turn:
            return await self._reached(lambda: self._keep(tree_size, note))

    async def _reached(self, question: Callable[[], T]) -> T:
        """What the question, which blocks, answers; one at a time, and a thread that hangs holds up nothing else."""
        if self._owes:
            raise PlaceUnreachable("it still owes an answer to what was asked before")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def settle(found: T | None, error: BaseException | None) -> None:
            self._owes = False
            if answer.done():
                return  # given up on
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(cast("T", found))

        def ask() -> None:
            found, failure = None, None
            try:
                found = question()
            except BaseException as error:  # raised where the answer is awaited
                failure = error
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(settle, found, failure)

        self._owes = True
        Thread(target=ask, name=f"witness {self.name}", daemon=True).start()
        try:
            async with asyncio.timeout(PATIENCE):
                return await answer
        except TimeoutError:
            raise PlaceUnreachable(f"no answer within {PATIENCE:.0f} seconds") from None
        except _REFUSED as error:
            raise PlaceUnreachable(first_line(error).replace(self._url, self.name)) from None

    def _newest(self) -> str | None:
        with closing(self._copy()) as repository:
            notes = self._notes(repository, self._fetched(repository))
            return _text(repository, notes[max(notes)]) if notes else None

    def _keep(self, tree_size: int, note: str) -> str:
        with closing(self._copy()) as repository:
            for tries_left in reversed(range(_TRIES)):
                head = self._fetched(repository)
                notes = self._notes(repository, head)
                if tree_size in notes:
                    return _text(repository, notes[tree_size])
                try:
                    self._push(repository, head, self._commit(repository, head, tree_size, note))
                except _MEANWHILE:  # somebody else pushed
                    if not tries_left:
                        raise
                    time.sleep(random.uniform(0, _LONGEST_PAUSE))  # noqa: S311  # so that they do not meet again
                else:
                    return note
        raise AssertionError("the last try returns or raises")

    def _copy(self) -> Any:
        """The copy of the remote, made first if there is none. Whoever takes it closes it."""
        if not self._cache.exists():
            self._cache.mkdir(mode=0o700, parents=True)
            Repo.init_bare(str(self._cache)).close()
        return Repo(str(self._cache))

    def _fetched(self, repository: Any) -> Any:
        """The branch's commit in the remote, which the copy then has; None where there is no branch."""
        client, path = self._client()
        head = client.get_refs(path).refs.get(_BRANCH)
        if head is not None and head not in repository.object_store:
            client.fetch(path, repository, determine_wants=lambda *_, **__: [head])
        return head

    def _client(self) -> tuple[Any, Any]:
        """What speaks to the remote, and the repository's path there. (dulwich's types are stricter than its code.)"""
        return get_transport_and_path(self._url)

    def _notes(self, repository: Any, head: Any) -> dict[int, bytes]:
        """The notes' objects by size."""
        if head is None:
            return {}
        folder = self._tree(repository, repository[head].tree, self._folder)
        found: dict[int, bytes] = {}
        for item in folder.items():
            if match := _NAME.fullmatch(item.path):
                found[int(match[1])] = item.sha
        return found

    def _tree(self, repository: Any, root: Any, name: bytes) -> Tree:
        try:
            _, sha = tree_lookup_path(repository.object_store.__getitem__, root, name)
        except KeyError:
            return Tree()
        found = repository.object_store[sha]
        return found if isinstance(found, Tree) else Tree()

    def _commit(self, repository: Any, head: Any, tree_size: int, note: str) -> Any:
        root: Any = repository.object_store[repository[head].tree] if head is not None else Tree()
        folder = self._tree(repository, root.id, self._folder) if head is not None else Tree()
        blob = Blob.from_string(note.encode())
        folder.add(b"%012d.note" % tree_size, 0o100644, blob.id)
        root.add(self._folder, 0o040000, folder.id)
        commit = Commit()
        commit.tree, commit.parents = root.id, [head] if head is not None else []
        commit.author = commit.committer = _AUTHOR
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = 0
        commit.encoding = b"UTF-8"
        commit.message = b"Checkpoint of %d entries\n" % tree_size
        for one in (blob, folder, root, commit):
            repository.object_store.add_object(one)
        return commit.id

    def _push(self, repository: Any, head: Any, commit: Any) -> None:
        client, path = self._client()

        def update(refs: Any) -> Any:
            if refs.get(_BRANCH) != head:
                raise GitProtocolError("the branch has moved")
            return {_BRANCH: commit}

        result = client.send_pack(path, update, repository.generate_pack_data)
        status = (result.ref_status or {}).get(_BRANCH)
        if status:
            raise GitProtocolError(str(status))


def _text(repository: Any, sha: bytes) -> str:
    data: bytes = repository.object_store[sha].as_raw_string()
    return data[:_LARGEST].decode(errors="replace")
