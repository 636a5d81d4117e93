"""What went wrong with a model's server, whichever SDK says it, and what is done about it."""

import html
import random
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import mcpanel_step

from .. import harmless  # noqa: TID252, RUF100  # programs are found from their own folder
from ..failures import Failed  # noqa: TID252, RUF100
from .models import ModelError, SilenceError

_FOR_THE_MOMENT = frozenset({0, 408, 409, 425, 429})
_LONGEST_WAIT = 60.0
"""What a server may ask to be waited for, in seconds."""
_LONGEST_PAUSE = 8.0
_TRANSPORTS = frozenset({"h11", "httpcore", "httpcore2", "httpx", "httpx2"})

_READ = 100_000
_IS_PAGE = re.compile(r"<(?:!doctype|html|head|body|title|h1|p|div|center|pre)\b", re.IGNORECASE)
_UNSEEN = re.compile(
    r"<!--.*?(?:-->|$)|<(head|script|style|svg)\b.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL
)
_TAG = re.compile(r"<[^>]*(?:>|$)")

T = TypeVar("T")


def status_error(status: int, body: Any, headers: Mapping[str, str]) -> ModelError:
    """The error of an answer that is none."""
    return ModelError(words(body) or f"HTTP status {status}", status, _retry_after(headers))


def blocked_error(why: str, said: Any) -> ModelError:
    """The error of a prompt that its server keeps from the model: `why` is its word, `said` what else it says."""
    told = words(said)
    says = f". It says: {told}" if told else ""
    return ModelError(
        f"the model's server blocks the prompt ({words(why)}); change the prompt{says}", status=200
    )


def refused_error(said: str) -> ModelError:
    """The error of a model that refuses what has to be an answer; `said` are its words."""
    before = "the model refuses to answer; change the prompt, or ask another model"
    told = words(said)
    error = ModelError(f"{before}. It says: {told}" if told else before, status=200)
    error.longest = len(before) + 200
    return error


def connection_error(error: BaseException) -> ModelError:
    """The error of a connection that could not be made, was lost, said nothing or no sense. Raises all that is none."""
    if isinstance(error, ModelError):
        return error
    name = type(error).__name__
    if isinstance(
        error, AttributeError | KeyError | TypeError
    ):  # the SDKs take answers of any shape for theirs
        return ModelError(f"the model's server does not keep to its protocol: {words(str(error))}")
    if type(error).__module__.partition(".")[0] not in _TRANSPORTS and not isinstance(
        error, OSError | ValueError
    ):
        raise error
    if "Timeout" in name:
        return SilenceError("the model's server said nothing for too long")
    text = (str(error).strip().splitlines() or [name])[0]
    if name == "ProxyError" and text.startswith("403 "):
        return ModelError(text.removeprefix("403 "), 403)
    return ModelError(f"the connection to the model's server failed: {words(text)}")


def patiently(ask: Callable[[], T], max_retries: int) -> T:
    """What `ask` answers; asks again after what may pass, as often as allowed, and says so. Raises ModelError."""
    tried = 0
    while True:
        try:
            return ask()
        except ModelError as error:
            passes = error.status in _FOR_THE_MOMENT or error.status >= 500
            wait = _pause(tried) if error.retry_after is None else error.retry_after
            error.asked = tried + 1
            if not passes or tried >= max_retries or wait > _LONGEST_WAIT:
                raise
            tried += 1
            mcpanel_step.log.warning(f"{error}; asking again in {wait:.1f} s ({tried} of {max_retries})")
        time.sleep(wait)


def failed(error: ModelError, model: str, secret: str) -> Failed:
    """The step's failure, with what to do about it."""
    if error.status == 200:  # an answer that is none
        return Failed(str(error))
    if isinstance(error, SilenceError):
        return Failed(f"{error}; it was asked {_times(error.asked)}", "TIMED_OUT")
    if error.status == 403:
        return Failed(f"the model's server may not be reached, or refuses (403): {error}")
    if error.status == 401:
        what = f"the secret '{secret}'" if secret else "a secret, of which the component names none"
        return Failed(f"the model's server does not accept the key (401): {error}. Check {what}.")
    if error.status == 404:
        return Failed(f"the model's server does not know the model '{model}', or the URL is wrong: {error}")
    if error.status == 429:
        return Failed(f"the model's server refuses for now (429): {error}{_wait(error)}")
    if error.status >= 500:
        return Failed(
            f"the model's server fails ({error.status}): {error}; it was asked {_times(error.asked)}{_wait(error)}"
        )
    if error.status in (0, 408):
        return Failed(f"{error}; it was asked {_times(error.asked)}")
    return Failed(f"the model's server refuses the request ({error.status}): {error}")


def _wait(error: ModelError) -> str:
    wait = error.retry_after
    if not wait:
        return ""
    most = f", and a step waits {_LONGEST_WAIT:g} s at most" if wait > _LONGEST_WAIT else ""
    return f"; it asks to wait {wait:.0f} s{most}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def words(body: Any) -> str:
    """What the server says, in every shape servers say it (a field of JSON, text, a page of HTML) as plain words."""
    while isinstance(body, dict | list):
        if isinstance(body, list):
            body = body[0] if body else ""
        else:
            body = body.get("error", body.get("message", body.get("detail", "")))
    text = str(body or "")[:_READ]
    if _IS_PAGE.search(text):
        text = html.unescape(_TAG.sub(" ", _UNSEEN.sub(" ", text)))
    return str(harmless.text(" ".join(text.split())))


def shown(error: ModelError, key: str) -> ModelError:
    """The error without the key, whatever the server writes into it, and cut only then."""
    text = str(error).replace(key, "•••") if key else str(error)
    error.args = (text if len(text) <= error.longest else f"{text[: error.longest].rstrip()}…",)
    return error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return max(0.0, float(milliseconds) / 1000)
        text = headers.get("retry-after") or ""
        if not text:
            return None
        if text.replace(".", "", 1).isdigit():
            return float(text)
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _pause(tried: int) -> float:
    pause: float = min(_LONGEST_PAUSE, 0.5 * 2**tried) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter
    return pause
