"""Where every provider's program starts: what the config says becomes a conversation."""

from collections.abc import Callable
from typing import Any

import mcpanel_step

from ..failures import Failed  # noqa: TID252, RUF100
from . import assistant, prompt
from .conversation import Conversation, Prices, Settings
from .failing import refused_error, shown
from .models import REFUSED, Answer, Listener, Model, ModelError, Request, Server
from .watching import Watch

_TASKS = {"prompt": prompt.run, "assistant": assistant.run}


class _Watched:
    """A model of whose server no key is told, and not that its answer broke off where it was none.

    It does not answer with a refusal where JSON is wanted: that is an error, in the model's words.
    """

    def __init__(self, model: Model, watch: Watch, key: str) -> None:
        self._model = model
        self._watch = watch
        self._key = key

    def ask(self, request: Request, listener: Listener) -> Answer:
        self._watch.expect(request.max_tokens)
        try:
            answer = self._model.ask(request, listener)
            if answer.finish_reason == REFUSED and request.schema is not None:
                raise refused_error(answer.text)
        except ModelError as error:
            raise shown(self._watch.strange() or error, self._key) from None
        return answer


def _key(name: str) -> str:
    """The secret's value. Raises Failed."""
    try:
        return str(mcpanel_step.secret(name))
    except mcpanel_step.StepError as error:
        raise Failed(f"the model's key cannot be had: {error}") from None


def starter(connect: Callable[[Server], Model]) -> Callable[[dict[str, Any], dict[str, Any]], Any]:
    """The `run` of a provider's module."""

    def run(config: dict[str, Any], inputs: dict[str, Any]) -> Any:
        name = config.get("secret", "")
        key = _key(name) if name else ""
        watch = Watch()
        server = Server(config.get("base_url", ""), key, float(config.get("silence", 60.0)), watch.hooks)
        settings = Settings(
            model=config["model"],
            max_tokens=config.get("max_tokens") or 1024,
            temperature=config.get("temperature"),
            top_p=config.get("top_p"),
            top_k=config.get("top_k"),
            max_retries=config.get("max_retries", 4),
            secret=name,
        )
        prices = Prices(config.get("input_price"), config.get("output_price"))
        conversation = Conversation(_Watched(connect(server), watch, key), settings, prices)
        return _TASKS[config["task"]](config, inputs, conversation)

    return run
