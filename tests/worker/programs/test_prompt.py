"""LLM prompt agents: what a model is asked, what comes of its answer, and what of its failures."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.fake_models import INPUT_TOKENS, OUTPUT_TOKENS, FakeModels, Reply
from tests.worker.programs.conftest import PROVIDERS, Asking
from tests.worker.support.cells import Bench
from worker.cells.attempt import Failure, Outcome
from worker.cells.usage import Usage

SCHEMA = {
    "type": "object",
    "properties": {"days": {"type": "integer"}},
    "required": ["days"],
    "additionalProperties": False,
}


def config(models: FakeModels, provider: str = "openai", **more: Any) -> dict[str, Any]:
    """A prompt's config."""
    url = f"{models.url}/v1" if provider == "openai" else models.url
    return {
        "task": "prompt",
        "model": "small",
        "base_url": url,
        "user_prompt_template": "Sum up {{ rows }}",
        **more,
    }


async def ask(bench: Bench, settings: dict[str, Any], inputs: Any = None) -> Outcome:
    """What became of a prompt."""
    return await bench.run("", {"rows": [1, 2]} if inputs is None else inputs, config=settings)


def output(outcome: Outcome) -> dict[str, Any]:
    """The output of one that succeeded."""
    assert outcome.failure is None, outcome.failure
    found: dict[str, Any] = json.loads(outcome.output_json or b"")
    return found


def failure(outcome: Outcome) -> Failure:
    """The failure of one that failed."""
    assert outcome.failure is not None, outcome.output_json
    return outcome.failure


def prompt_of(models: FakeModels, number: int = -1) -> str:
    """What a request says, as JSON, whatever the protocol."""
    return json.dumps(models.heard[number].body, ensure_ascii=False)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_every_provider_is_asked_in_its_protocol_and_its_tokens_are_shown_as_they_come(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(["It is ", "warm."])]

    outcome = await ask(
        bench,
        config(models, provider, system_prompt="Be brief.", input_price=2, output_price=10),
    )

    cost = (2 * INPUT_TOKENS + 10 * OUTPUT_TOKENS) / 1_000_000
    found = output(outcome)
    assert found["completion"] == "It is warm."
    assert found["finish_reason"] == "stop"
    assert found["usage"] == {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "cost": cost}
    assert outcome.usage == Usage(found["model"], INPUT_TOKENS, OUTPUT_TOKENS, cost)
    assert bench.sink.previews[-1] == {"completion": "It is warm."}
    assert "Sum up [1, 2]" in prompt_of(models)
    assert "Be brief." in prompt_of(models)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_server_that_refuses_for_the_moment_is_asked_again_when_it_says(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [
        Reply(status=429, retry_after="0.05", message="too many requests"),
        Reply(status=503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
        Reply(["fine"]),
    ]

    outcome = await ask(bench, config(models, provider))

    lines = [line for _, level, line in bench.sink.lines if level == "WARNING"]
    assert output(outcome)["completion"] == "fine"
    assert len(models.heard) == 3
    assert len(lines) == 2
    assert "too many requests; asking again in 0.1 s (1 of 4)" in lines[0]
    assert "asking again in 0.0 s (2 of 4)" in lines[1]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_is_cut_off_or_garbled_is_asked_for_again(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [
        Reply(["half an"], cut=True),
        Reply(["half an"], garbled=True),
        Reply(["a whole answer"]),
    ]

    outcome = await ask(bench, config(models, provider))

    assert output(outcome)["completion"] == "a whole answer"
    assert len(models.heard) == 3


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_of_another_shape_is_its_servers_failure_and_asked_for_again(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply([5]), Reply(["a whole answer"])]  # type: ignore[list-item]  # no text

    outcome = await ask(bench, config(models, provider))

    assert output(outcome)["completion"] == "a whole answer"
    assert len(models.heard) == 2


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_key_is_a_linked_secrets_value(models: FakeModels, asking: Asking, provider: str) -> None:
    bench = await asking(provider)

    output(await ask(bench, config(models, provider, secret="models-key")))

    assert any("value-of-models-key" in value for value in models.heard[0].headers.values())


async def test_a_key_that_is_not_accepted_is_said_at_once_without_the_key(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    models.script = [Reply(status=401, message="no such key: value-of-models-key")]

    found = failure(await ask(bench, config(models, secret="models-key")))

    assert found == Failure(
        "USER_ERROR",
        "the model's server does not accept the key (401): no such key: •••. Check the secret 'models-key'.",
    )
    assert len(models.heard) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_page_instead_of_an_answer_is_told_in_its_first_words(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    page = (
        "<!DOCTYPE html><html><head><title>x</title><style>p {color: red}</style></head><body><h1>Keys &amp; locks"
        f"</h1>\n<p class='a'>Your key expired.</p><script>alert(1)</script>{'<p>more of it</p>' * 5000}</body></html>"
    )
    models.script = [Reply(status=401, page=page)]

    found = failure(await ask(bench, config(models, provider)))

    assert "does not accept the key (401): Keys & locks Your key expired. more of it" in found.message
    assert len(found.message) < 500
    assert not [word for word in ("<", "color", "alert") if word in found.message]


KEY = "value-of-models-key"


PAGE = Reply(
    page="<html><head><title>x</title></head><h1>Log in</h1> to go on</html>", kind="text/html; charset=utf-8"
)
REFUSAL = Reply(page=json.dumps({"error": {"message": f"no funds for {KEY}"}}), kind="application/json")


@pytest.mark.parametrize(
    ("provider", "reply", "words"),
    [
        *[(provider, PAGE, "Log in to go on") for provider in PROVIDERS],
        *[(provider, REFUSAL, "no funds for •••") for provider in PROVIDERS],
        ("openai", Reply(page='[{"id": "c1"}]', kind="application/json"), '[{"id": "c1"}]'),
        ("openai", Reply(page="x" * 190 + KEY, kind="text/plain"), "x" * 190 + "•••"),
        ("google", Reply(page="hello" * 100, kind="text/event-stream"), "hello" * 40 + "…"),
    ],
    ids=[
        *(f"page-{one}" for one in PROVIDERS),
        *(f"error-{one}" for one in PROVIDERS),
        "list",
        "text",
        "no event",
    ],
)
async def test_what_is_accepted_and_is_no_answer_is_told_as_what_it_is(
    models: FakeModels, asking: Asking, provider: str, reply: Reply, words: str
) -> None:
    bench = await asking(provider)
    models.script = [reply]

    found = failure(await ask(bench, config(models, provider, secret="models-key")))

    assert found == Failure(
        "USER_ERROR",
        f"the model's server answered with {reply.kind.partition(';')[0]}, and not with a stream of events; "
        f"is the base URL right? It says: {words}",
    )
    assert len(models.heard) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_does_not_end_is_cut_off(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(["and so on " * 50_000], endless=True)]

    found = failure(await ask(bench, config(models, provider, max_tokens=100)))

    assert found == Failure(
        "USER_ERROR",
        "the model's server does not end its answer: it has sent 4 MiB, and maxTokens is 100",
    )
    assert await asyncio.to_thread(models.left.wait, 5)
    assert len(models.heard) == 1


async def test_a_key_is_not_shown_where_a_long_error_is_cut(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(status=400, message="x" * 290 + KEY)]

    found = failure(await ask(bench, config(models, secret="models-key")))

    assert found.message.endswith("x•••")


async def test_a_server_that_may_not_be_reached_says_what_to_declare(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")

    found = failure(await ask(bench, {**config(models), "base_url": "https://models.example.com/v1"}))

    assert "models.example.com:443 is not declared; add models.example.com to" in found.message


async def test_a_model_that_is_not_there_is_named(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(status=404, message="no such model")]

    found = failure(await ask(bench, config(models)))

    assert "does not know the model 'small'" in found.message


async def test_a_server_that_stays_away_is_asked_as_often_as_allowed(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    models.script = [Reply(status=500, retry_after="0", message="out of order")]

    found = failure(await ask(bench, config(models, max_retries=2)))

    assert found == Failure(
        "USER_ERROR", "the model's server fails (500): out of order; it was asked 3 times"
    )
    assert len(models.heard) == 3


async def test_a_server_that_wants_to_be_left_alone_for_long_is_not_waited_for(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    models.script = [Reply(status=429, retry_after="3600", message="quota used up")]

    found = failure(await ask(bench, config(models)))

    assert "quota used up; it asks to wait 3600 s, and a step waits 60 s at most" in found.message
    assert len(models.heard) == 1


async def test_a_server_that_falls_silent_is_given_up(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(["and then"], hang=True)]

    found = failure(await ask(bench, config(models, silence=0.2, max_retries=0)))

    assert found == Failure("TIMED_OUT", "the model's server said nothing for too long; it was asked once")


async def test_a_cancelled_step_closes_its_connection(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(["thinking"], hang=True)]
    cell = await bench.ready()

    running = asyncio.create_task(ask(bench, config(models)))
    async with asyncio.timeout(10):
        while not bench.sink.previews:
            await asyncio.sleep(0.01)
    cell.cancel()
    found = failure(await running)

    assert found.kind == "CANCELLED"
    assert await asyncio.to_thread(models.left.wait, 5)


@pytest.mark.parametrize("provider", ["anthropic", "google"])  # they say what they used while they answer
async def test_what_an_answer_has_used_counts_when_the_step_is_cancelled_in_its_midst(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(["thinking"], hang=True)]
    cell = await bench.ready()

    running = asyncio.create_task(ask(bench, config(models, provider, input_price=1)))
    async with asyncio.timeout(10):
        while not bench.sink.previews:
            await asyncio.sleep(0.01)
    cell.cancel()
    outcome = await running

    assert failure(outcome).kind == "CANCELLED"
    assert outcome.usage is not None
    assert outcome.usage.input_tokens == INPUT_TOKENS
    assert outcome.usage.cost == INPUT_TOKENS / 1_000_000


async def test_what_a_repeated_request_has_used_counts_as_well(models: FakeModels, asking: Asking) -> None:
    bench = await asking("anthropic")
    models.script = [Reply(["half an"], cut=True), Reply(["a whole answer"])]

    outcome = await ask(bench, config(models, "anthropic"))

    assert output(outcome)["usage"]["input_tokens"] == 2 * INPUT_TOKENS


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_is_no_text_in_an_answer_is_made_harmless(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(["nul\0 ", "lone \ud800 ", "pair \ud83d", "\ude00"])]

    outcome = await ask(bench, config(models, provider))

    assert output(outcome)["completion"] == "nul\ufffd lone \ufffd pair \U0001f600"
    assert bench.sink.previews[-1] == {"completion": "nul\ufffd lone \ufffd pair \U0001f600"}
    assert outcome.usage is not None
    assert outcome.usage.output_tokens == OUTPUT_TOKENS


async def test_what_is_no_text_in_a_structured_answer_is_made_harmless(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    schema = {"type": "object", "properties": {"word": {"type": "string"}}}
    models.script = [Reply(['{"word": "\\u0000 \\ud800", "\\udfff": 1}'])]

    found = output(await ask(bench, config(models, response_schema=schema)))

    assert found["data"] == {"word": "\ufffd \ufffd", "\ufffd": 1}


async def test_a_number_that_json_has_not_is_to_be_repaired(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(['{"days": NaN}']), Reply(['{"days": 3}'])]

    found = output(await ask(bench, config(models, response_schema={"type": "object"})))

    assert found["data"] == {"days": 3}
    assert "NaN is no number there" in prompt_of(models)


async def test_a_structured_answer_is_parsed(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(["```json\n", '{"days": 3}', "\n```"])]

    found = output(await ask(bench, config(models, response_schema=SCHEMA)))

    assert found["data"] == {"days": 3}
    assert models.heard[0].body["response_format"]["json_schema"]["schema"] == SCHEMA


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_does_not_match_is_repaired_by_the_model_that_is_told_why(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(['{"days": "three"}']), Reply(['{"days": 3}'])]

    outcome = await ask(bench, config(models, provider, response_schema=SCHEMA))

    found = output(outcome)
    assert found["data"] == {"days": 3}
    assert found["usage"]["input_tokens"] == 2 * INPUT_TOKENS
    assert "at $.days: 'three' is not of type 'integer'" in prompt_of(models)


async def test_an_answer_that_never_matches_says_where(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(["not JSON"]), Reply(["[]"])]

    outcome = await ask(bench, config(models, response_schema=SCHEMA))

    found = failure(outcome)
    assert found.kind == "INVALID_OUTPUT"
    assert found.message.endswith("nor does its repair: at $: [] is not of type 'object'")
    assert outcome.usage is not None  # what failed has cost something all the same
    assert outcome.usage.output_tokens == 2 * OUTPUT_TOKENS


async def test_an_input_that_the_prompt_needs_and_does_not_get_is_named(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    found = failure(await ask(bench, config(models), {"city": "Oslo"}))

    assert found == Failure(
        "INVALID_INPUT", "userPromptTemplate needs an input: 'rows' is undefined (given: city)"
    )
    assert models.heard == []
