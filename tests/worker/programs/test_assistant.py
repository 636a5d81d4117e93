"""AI assistants: the tools they call, who decides about a call, and where they stop."""

import json
from typing import Any

import pytest

from tests.support.fake_models import INPUT_TOKENS, OUTPUT_TOKENS, FakeModels, Reply
from tests.worker.programs.conftest import PROVIDERS, Asking
from tests.worker.support.cells import Bench
from worker.cells.attempt import Outcome
from worker.cells.calls import Called
from worker.cells.usage import Budget, CalledUsage, Usage

TOOLS = [{"data_source": "sales"}]
SQL = "select id, name from people"
RUN = "01900000-0000-7000-8000-000000000001"
COMPONENT = {
    "component": "exchange-rate",
    "description": "The rate between two currencies.",
    "schema": {"type": "object", "properties": {"to": {"type": "string"}}, "required": ["to"]},
}
QUERY = ("query_sales", json.dumps({"sql": SQL}))


def config(models: FakeModels, provider: str = "openai", **more: Any) -> dict[str, Any]:
    """An assistant's config."""
    url = f"{models.url}/v1" if provider == "openai" else models.url
    return {"task": "assistant", "model": "small", "base_url": url, "tools": TOOLS, **more}


async def ask(bench: Bench, settings: dict[str, Any], **inputs: Any) -> Outcome:
    """What became of a conversation."""
    bench.sink.rows = [[1, "Ada"], [2, "Grace"]]
    return await bench.run("", {"message": "Who is there?", **inputs}, config=settings)


def output(outcome: Outcome) -> dict[str, Any]:
    """The output of one that succeeded."""
    assert outcome.failure is None, outcome.failure
    found: dict[str, Any] = json.loads(outcome.output_json or b"")
    return found


def message_of(outcome: Outcome) -> str:
    """Why it failed."""
    assert outcome.failure is not None, outcome.output_json
    return outcome.failure.message


def last_request(models: FakeModels) -> str:
    """What was said last to the model, as JSON."""
    return json.dumps(models.heard[-1].body)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_assistant_answers_with_what_its_tools_found(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(calls=[QUERY]), Reply(["Ada and Grace."])]

    outcome = await ask(bench, config(models, provider))

    found = output(outcome)
    assert found["completion"] == "Ada and Grace."
    assert found["turns"] == 2
    assert found["tool_calls"] == [{"tool": "query_sales", "arguments": {"sql": SQL}}]
    assert found["usage"]["output_tokens"] == 2 * OUTPUT_TOKENS
    assert bench.sink.queries == [("sales", SQL, [], 50)]
    assert "Grace" in last_request(models)


async def test_every_call_is_told_of_before_it_is_made_and_when_it_has_ended(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    models.script = [Reply(calls=[QUERY, QUERY]), Reply(["Ada and Grace."])]

    output(await ask(bench, config(models)))

    allowed, answered, *others = bench.sink.calls
    assert (allowed.call, allowed.tool, allowed.status) == (1, "query_sales", "ALLOWED")
    assert (allowed.arguments, allowed.seconds) == ({"sql": SQL}, None)
    assert (answered.call, answered.status, answered.arguments) == (1, "SUCCESS", None)
    assert answered.message.endswith(" characters")
    assert answered.seconds is not None
    assert [(one.call, one.status) for one in others] == [(2, "ALLOWED"), (2, "SUCCESS")]
    assert bench.sink.lines == []  # nothing is told twice


async def test_large_arguments_are_left_out_of_the_event_and_the_call_is_told_of_all_the_same(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    sql = f"select '{'x' * 8500}'"
    models.script = [Reply(calls=[("query_sales", json.dumps({"sql": sql}))]), Reply(["Nothing."])]

    found = output(await ask(bench, config(models)))

    allowed, answered = bench.sink.calls
    assert (allowed.status, allowed.arguments, allowed.arguments_omitted) == ("ALLOWED", None, True)
    assert (answered.status, answered.arguments_omitted) == ("SUCCESS", False)
    assert found["tool_calls"] == [{"tool": "query_sales", "arguments": {"sql": sql}}]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (("delete_everything", "{}"), "there is no tool 'delete_everything' here (allowed: query_sales)"),
        (("query_other", json.dumps({"sql": SQL})), "there is no tool 'query_other' here"),
        (("query_sales", json.dumps({"sql": SQL, "as": "admin"})), "the arguments do not fit: at $: Add"),
        (("query_sales", json.dumps({"sql": SQL, "max_rows": 1000000})), "at $.max_rows: 1000000 is greater"),
        (("query_sales", '{"sql": "sel'), "the arguments are not JSON"),
        (("query_sales", r'{"sql": "\u0000"}'), "cannot be kept: arguments.sql holds a NUL character"),
        (("query_sales", r'{"sql": "\ud800"}'), "cannot be kept: arguments holds a lone surrogate"),
        (("query_sales", '{"sql": NaN}'), "cannot be kept: arguments.sql is nan"),
    ],
)
async def test_a_call_that_is_not_allowed_is_not_made_and_the_model_is_told(
    models: FakeModels, asking: Asking, call: tuple[str, str], why: str
) -> None:
    bench = await asking("openai")
    models.script = [Reply(calls=[call]), Reply(["I cannot."])]

    found = output(await ask(bench, config(models)))

    assert found["completion"] == "I cannot."
    assert why in found["tool_calls"][0]["error"]
    assert bench.sink.queries == []
    assert why.replace('"', '\\"') in last_request(models)
    (told,) = bench.sink.calls
    assert (told.call, told.tool, told.status, told.arguments) == (1, call[0], "REFUSED", call[1])
    assert why in told.message


async def test_a_query_that_fails_is_told_to_the_model_which_may_try_another(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    bench.sink.refuse = "column 'nmae' does not exist"
    models.script = [Reply(calls=[QUERY]), Reply(["There is no such column."])]

    found = output(await ask(bench, config(models)))

    assert found["tool_calls"][0]["error"] == "column 'nmae' does not exist"
    assert [(one.status, one.message) for one in bench.sink.calls] == [
        ("ALLOWED", ""),
        ("FAILED", "column 'nmae' does not exist"),
    ]
    assert "nmae" in last_request(models)


async def test_what_was_said_before_is_part_of_the_conversation(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    before = [{"role": "user", "content": "I am Ada."}, {"role": "assistant", "content": "Hello Ada."}]

    await ask(
        bench, config(models, system_prompt="Speak {{ language }}."), messages=before, language="Danish"
    )

    assert models.heard[0].body["messages"] == [
        {"role": "system", "content": "Speak Danish."},
        *before,
        {"role": "user", "content": "Who is there?"},
    ]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("", "the input 'message' is missing or empty; give what is asked"),
        (
            "{{ message }}{{ more }}",
            "userPromptTemplate comes to no text with these inputs (given: message, more)",
        ),
    ],
)
async def test_an_assistant_that_is_asked_nothing_says_where_the_question_was_to_be(
    models: FakeModels, asking: Asking, template: str, words: str
) -> None:
    bench = await asking("openai")

    outcome = await ask(bench, config(models, user_prompt_template=template), message=" ", more="")

    assert outcome.failure is not None
    assert outcome.failure.kind == "INVALID_INPUT"
    assert words in outcome.failure.message
    assert models.heard == []


async def test_an_assistant_that_only_calls_stops_after_its_turns(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(calls=[QUERY])]

    message = message_of(await ask(bench, config(models, max_turns=3)))

    assert message.startswith("the assistant had no answer after 3 turns and 3 calls; raise maxTurns")
    assert len(models.heard) == 3


async def test_an_assistant_stops_when_its_tokens_are_used_up(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(calls=[QUERY])]
    budget = INPUT_TOKENS + OUTPUT_TOKENS + 5

    outcome = await ask(bench, config(models, max_tokens_total=budget))

    assert "budget of 23 tokens is used up (36)" in message_of(outcome)
    assert models.heard[1].body["max_tokens"] == 5  # an answer may not use more than what is left
    assert outcome.usage is not None
    assert outcome.usage.input_tokens == 2 * INPUT_TOKENS


async def test_an_assistant_stops_when_its_money_is_spent(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(calls=[QUERY])]

    message = message_of(
        await ask(bench, config(models, max_cost=0.5, input_price=30_000, output_price=30_000))
    )

    assert "budget of $0.50 is used up ($0.54)" in message
    assert len(models.heard) == 1


@pytest.mark.parametrize(
    ("price", "words"),
    [(0.05, "budget of $0.000001 is used up ($0.00000125)"), (300, "is used up ($0.0075)")],
)
async def test_a_small_budget_is_told_with_its_digits(
    models: FakeModels, asking: Asking, price: float, words: str
) -> None:
    bench = await asking("openai")
    models.script = [Reply(calls=[QUERY])]

    message = message_of(
        await ask(bench, config(models, max_cost=0.000001, input_price=price * 25 / INPUT_TOKENS))
    )

    assert words in message


async def test_an_assistants_structured_answer_is_checked(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    schema = {"type": "object", "properties": {"names": {"type": "array"}}, "required": ["names"]}
    models.script = [Reply(calls=[QUERY]), Reply(['{"name": "Ada"}']), Reply(['{"names": ["Ada", "Grace"]}'])]

    found = output(await ask(bench, config(models, response_schema=schema)))

    assert found["data"] == {"names": ["Ada", "Grace"]}
    assert "'names' is a required property" in last_request(models)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"max_turns": 1}, "no answer after 1 turns"),
        ({"max_tokens_total": INPUT_TOKENS + OUTPUT_TOKENS}, "tokens is used up"),
        ({"max_cost": 0.5, "input_price": 30_000, "output_price": 30_000}, "budget of $0.50 is used up"),
    ],
)
async def test_a_repair_is_a_turn_within_the_budget(
    models: FakeModels, asking: Asking, limit: dict[str, Any], words: str
) -> None:
    bench = await asking("openai")
    models.script = [Reply(["{bad"]), Reply(["{}"])]

    message = message_of(await ask(bench, config(models, response_schema={"type": "object"}, **limit)))

    assert words in message
    assert len(models.heard) == 1


async def test_a_repair_that_calls_a_tool_is_none(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    models.script = [Reply(["{bad"]), Reply(calls=[QUERY])]

    message = message_of(await ask(bench, config(models, response_schema={"type": "object"})))

    assert "instead of one it calls" in message


async def test_a_component_is_called_with_arguments_that_fit_and_its_output_is_what_the_model_is_told(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    bench.sink.answers["exchange-rate"] = Called(RUN, b'{"rate":1.07}')
    wrong, right = ("exchange-rate", '{"from": 1}'), ("exchange-rate", '{"to": "USD"}')
    models.script = [Reply(calls=[wrong]), Reply(calls=[right]), Reply(["It is 1.07."])]

    found = output(await ask(bench, config(models, tools=[*TOOLS, COMPONENT])))

    [first, *_] = models.heard
    offered = {one["function"]["name"]: one["function"] for one in first.body["tools"]}
    assert offered["exchange-rate"]["description"] == "The rate between two currencies."
    assert offered["exchange-rate"]["parameters"] == COMPONENT["schema"]
    assert bench.sink.called == [("exchange-rate", {"to": "USD"})], bench.sink.calls
    assert bench.sink.budgets == [None]
    told = [(one.call, one.status, one.started_run_id) for one in bench.sink.calls]
    assert told == [(1, "REFUSED", ""), (2, "ALLOWED", ""), (2, "SUCCESS", RUN)]
    assert '{\\"rate\\": 1.07}' in last_request(models)
    assert found["tool_calls"][1] == {"tool": "exchange-rate", "arguments": {"to": "USD"}}


async def test_the_model_is_told_why_a_component_failed_and_goes_on(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    bench.sink.answers["exchange-rate"] = Called(RUN, b"null", failure="no such currency")
    call = ("exchange-rate", '{"to": "XXX"}')
    models.script = [Reply(calls=[call]), Reply(["There is none."])]

    found = output(await ask(bench, config(models, tools=[COMPONENT])))

    assert found["completion"] == "There is none."
    assert found["tool_calls"][0]["error"] == "no such currency"
    last = bench.sink.calls[-1]
    assert (last.status, last.message, last.started_run_id) == ("FAILED", "no such currency", RUN)
    assert "error: no such currency" in last_request(models)


USED = {"input_tokens": 1_000, "output_tokens": 200}
RATE = ("exchange-rate", '{"to": "USD"}')


async def test_what_called_components_used_is_told_apart_from_what_the_assistant_itself_did(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    bench.sink.answers["exchange-rate"] = Called(RUN, b"1.07", usage=CalledUsage(**USED, cost=0.25))
    models.script = [Reply(calls=[RATE, RATE]), Reply(["It is 1.07."])]

    outcome = await ask(bench, config(models, tools=[COMPONENT], input_price=1_000))

    own: dict[str, Any] = {
        "input_tokens": 2 * INPUT_TOKENS,
        "output_tokens": 2 * OUTPUT_TOKENS,
        "cost": 0.022,
    }
    called: dict[str, Any] = {"input_tokens": 2_000, "output_tokens": 400, "cost": 0.5}
    assert output(outcome)["usage"] == {**own, "called": called}
    assert outcome.usage == Usage("small", **own, called=CalledUsage(**called))


@pytest.mark.parametrize("failure", ["", "no such currency"])
@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (
            {"max_cost": 0.3, "input_price": 1_000, "output_price": 0},
            "budget of $0.30 is used up ($0.411, $0.40 of it by components that it called); raise maxCost",
        ),
        (
            {"max_tokens_total": 1_000},
            "budget of 1,000 tokens is used up (1,218, 1,200 of them by components that it called); raise maxT",
        ),
    ],
)
async def test_nothing_more_is_called_or_asked_once_called_components_have_used_up_the_budget(
    models: FakeModels, asking: Asking, limit: dict[str, Any], words: str, failure: str
) -> None:
    bench = await asking("openai")
    spent = CalledUsage(**USED, cost=0.4)
    bench.sink.answers["exchange-rate"] = Called(RUN, b"1.07", failure=failure, usage=spent)
    models.script = [Reply(calls=[RATE, RATE])]

    outcome = await ask(bench, config(models, tools=[COMPONENT], **limit))

    assert words in message_of(outcome)
    assert len(models.heard) == 1
    assert bench.sink.called == [("exchange-rate", {"to": "USD"})]
    assert [(one.call, one.status) for one in bench.sink.calls] == [
        (1, "ALLOWED"),
        (1, "FAILED" if failure else "SUCCESS"),
        (2, "REFUSED"),
    ]
    assert outcome.usage is not None
    assert outcome.usage.called == spent


async def test_a_called_component_may_use_what_is_left_of_the_budgets(
    models: FakeModels, asking: Asking
) -> None:
    bench = await asking("openai")
    bench.sink.answers["exchange-rate"] = Called(RUN, b"1.07", usage=CalledUsage(100, 10, 0.25))
    models.script = [Reply(calls=[RATE, RATE]), Reply(["It is 1.07."])]
    limits: dict[str, Any] = {"max_cost": 1, "input_price": 1_000, "max_tokens_total": 1_000}

    output(await ask(bench, config(models, tools=[COMPONENT], **limits)))

    used = INPUT_TOKENS + OUTPUT_TOKENS
    assert bench.sink.budgets == [Budget(1_000 - used, 0.989), Budget(890 - used, 0.739)]


@pytest.mark.parametrize(
    ("own", "left", "words"),
    [
        (
            {"max_tokens_total": 1_000},
            {"tokens": 20, "cost": None},
            "what the assistant's caller had left of its budget, 20 tokens, is used up (36); raise maxTokensTotal of "
            "the caller",
        ),
        (
            {"max_cost": 5},
            {"tokens": 0, "cost": 0.01},
            "what the assistant's caller had left of its budget, $0.01, is used up ($0.011); "
            "raise maxCost of the caller",
        ),
        (
            {"max_cost": 0.01},
            {"tokens": 0, "cost": 5.0},
            "the assistant's budget of $0.01 is used up ($0.011); raise maxCost",
        ),
    ],
)
async def test_an_assistant_that_was_called_may_use_no_more_than_its_caller_has_left(
    models: FakeModels, asking: Asking, own: dict[str, Any], left: dict[str, Any], words: str
) -> None:
    bench = await asking("openai")
    models.script = [Reply(calls=[QUERY])]

    message = message_of(await ask(bench, config(models, input_price=1_000, budget=left, **own)))

    assert message == words


async def test_of_a_large_output_the_model_reads_how_it_begins(models: FakeModels, asking: Asking) -> None:
    bench = await asking("openai")
    bench.sink.answers["exchange-rate"] = Called(RUN, b'"[1, 2, 3"', truncated=True)
    models.script = [Reply(calls=[("exchange-rate", '{"to": "USD"}')]), Reply(["Many."])]

    output(await ask(bench, config(models, tools=[COMPONENT])))

    assert "the output is too large to be read here" in last_request(models)
    assert "[1, 2, 3" in last_request(models)
