"""Fetches a git repository into a folder, over the cell's proxy and without its history."""

import re
from pathlib import Path
from typing import Final

from dulwich import porcelain
from dulwich.client import HTTPUnauthorized
from dulwich.errors import GitProtocolError, NotGitRepository
from programs.failures import Failed
from urllib3.exceptions import HTTPError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def fetch(url: str, ref: str, folder: Path) -> None:
    """Puts the files of the repository at `ref` into `folder`: a branch, a tag or a commit; empty: the default branch.

    Raises Failed DEPENDENCY_ERROR.
    """
    is_commit = bool(_COMMIT.fullmatch(ref))
    try:
        repository = porcelain.clone(
            url, str(folder), branch=None if is_commit or not ref else ref, depth=None if is_commit else 1
        )
        if is_commit:
            porcelain.reset(repository, "hard", ref)
        repository.close()
    except HTTPUnauthorized:
        raise _failed(url, "it is not public, or not there") from None
    except (GitProtocolError, NotGitRepository, HTTPError, KeyError, OSError, porcelain.Error) as error:
        what = str(error) or type(error).__name__
        raise _failed(url, what[:300]) from None


def _failed(url: str, why: str) -> Failed:
    return Failed(
        f"the repository {url} cannot be fetched: {why}; its host has to be among the version's network hosts",
        "DEPENDENCY_ERROR",
    )
