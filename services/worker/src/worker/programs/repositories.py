"""Fetches a git repository into a folder, over the cell's proxy and, where it can, without its history."""

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
    name, depth = (None, None) if is_commit else (ref or None, 1)
    try:
        errors = porcelain.NoneStream()
        with porcelain.clone(url, str(folder), branch=name, depth=depth, errstream=errors) as repository:
            if is_commit:
                porcelain.reset(repository, "hard", ref)
    except HTTPUnauthorized:
        raise _failed(url, "it is not public, or not there") from None
    except NotGitRepository:
        raise _failed(url, "there is no git repository") from None
    except (ValueError, KeyError):  # dulwich's words for a name that is not there
        raise _failed(url, f"it has no {'commit' if is_commit else 'branch or tag'} '{ref}'") from None
    except (GitProtocolError, HTTPError, OSError, porcelain.Error) as error:
        raise _failed(
            url, f"{str(error)[:300]}; its host has to be one of the version's network hosts"
        ) from None


def _failed(url: str, why: str) -> Failed:
    return Failed(f"the repository {url} cannot be fetched: {why}", "DEPENDENCY_ERROR")
