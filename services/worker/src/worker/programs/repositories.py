"""Fetches a git repository into a folder, over the cell's proxy and, where it can, without its history."""

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies

from dulwich import porcelain
from dulwich.client import HTTPUnauthorized, default_urllib3_manager
from dulwich.errors import GitProtocolError, NotGitRepository
from programs import harmless
from programs.failures import Failed
from urllib3.exceptions import HTTPError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_SILENCE: Final = 60.0
"""Seconds a host may say nothing."""
_REFUSED: Final = 400
_SHOWN: Final = 300
_UNDECLARED: Final = re.compile(r"\S+ is not declared; add \S+ to the version's network_hosts")
"""The proxy's words."""


def fetch(url: str, ref: str, folder: Path) -> None:
    """Puts the files of the repository at `ref` into `folder`: a branch, a tag or a commit; empty: the default branch.

    Raises Failed DEPENDENCY_ERROR.
    """
    is_commit = bool(_COMMIT.fullmatch(ref))
    name, depth = (None, None) if is_commit else (ref or None, 1)
    asking = _Asking(url)
    try:
        errors = porcelain.NoneStream()
        more: Any = {"pool_manager": asking}
        with porcelain.clone(
            url, str(folder), branch=name, depth=depth, errstream=errors, **more
        ) as repository:
            if is_commit:
                porcelain.reset(repository, "hard", ref)
    except HTTPUnauthorized:
        raise _failed(url, f"it is not public, or not there{asking.elsewhere}") from None
    except NotGitRepository:
        raise _failed(url, f"there is no git repository{asking.elsewhere}") from None
    except (ValueError, KeyError):  # dulwich's words for a name that is not there
        what = f"{'commit' if is_commit else 'branch or tag'} '{ref}'" if ref else "default branch; name one"
        raise _failed(url, f"it has no {what}") from None
    except (GitProtocolError, HTTPError, OSError, porcelain.Error) as error:
        raise _failed(url, asking.refusal or _reason(url, str(error))) from None


class _Asking:
    """Connections to the hosts of a repository. Remembers which of them refused, and what it said."""

    def __init__(self, url: str) -> None:
        self._manager = default_urllib3_manager(None, base_url=url, timeout=_SILENCE)
        self.headers = self._manager.headers
        self._host = urlsplit(url).netloc
        self.elsewhere = ""
        """Where a redirect led, in words; empty where there was none."""
        self.refusal = ""
        """What a host answered in place of what it was asked for; empty while none refused."""

    def request(self, method: str, url: str, **options: Any) -> Any:
        """The answer, as dulwich asks for it."""
        answer: Any = self._manager.request(method, url, **options)
        host = urlsplit(urljoin(url, answer.geturl() or "")).netloc
        if host != self._host:
            self.elsewhere = f" (its host leads to {host})"
        if answer.status >= _REFUSED:
            said = harmless.text(" ".join(answer.read(4096).decode("utf-8", "replace").split()))
            undeclared = _UNDECLARED.search(said)
            if undeclared:
                self.refusal = f"{undeclared.group()}{self.elsewhere}"
            else:
                self.refusal = (
                    f"{host} answers with HTTP status {answer.status}: {said[:_SHOWN] or 'nothing'}"
                )
        return answer


def _reason(url: str, error: str) -> str:
    """Why a connection could not be made, or came to nothing."""
    if undeclared := _UNDECLARED.search(error):
        return undeclared.group()
    why = error[:_SHOWN] or "the connection was lost"
    if getproxies():
        return why
    return f"{why}; the host {urlsplit(url).netloc} has to be one of the version's network hosts, and there are none"


def _failed(url: str, why: str) -> Failed:
    return Failed(f"the repository {url} cannot be fetched: {why}", "DEPENDENCY_ERROR")
