"""Models that refuse, and servers that keep a prompt from them: told at once, in their words, and not asked again."""

import pytest

from tests.support.fake_models import INPUT_TOKENS, OUTPUT_TOKENS, FakeModels, Reply
from tests.worker.programs.conftest import PROVIDERS, Asking
from tests.worker.programs.test_prompt import KEY, SCHEMA, ask, config, failure, output
from worker.cells.attempt import Failure


@pytest.mark.parametrize("why", ["PROHIBITED_CONTENT", "A_REASON_OF_TOMORROW"])
async def test_a_prompt_that_is_blocked_fails_at_once_and_says_why(
    models: FakeModels, asking: Asking, why: str
) -> None:
    bench = await asking("google")
    models.script = [Reply(blocked=why, message=f"not with {KEY}")]

    outcome = await ask(bench, config(models, "google", secret="models-key"))

    assert failure(outcome) == Failure(
        "USER_ERROR",
        f"the model's server blocks the prompt ({why}); change the prompt. It says: not with •••",
    )
    assert len(models.heard) == 1
    assert outcome.usage is not None
    assert outcome.usage.input_tokens == INPUT_TOKENS


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_model_that_refuses_is_heard(models: FakeModels, asking: Asking, provider: str) -> None:
    bench = await asking(provider)
    models.script = [Reply(refusal=["I cannot ", "help with that."])]

    found = output(await ask(bench, config(models, provider)))

    assert found["completion"] == "I cannot help with that."
    assert found["finish_reason"] == "content_filter"
    assert bench.sink.previews[-1] == {"completion": "I cannot help with that."}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_model_that_refuses_a_structured_answer_fails_the_step_at_once_in_its_words(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(refusal=[f"Not with {KEY}. ", "No. " * 200])]

    outcome = await ask(bench, config(models, provider, secret="models-key", response_schema=SCHEMA))

    found = failure(outcome)
    assert found.kind == "USER_ERROR"
    assert found.message.startswith(
        "the model refuses to answer; change the prompt, or ask another model. It says: Not with •••. No. No."
    )
    assert found.message.endswith("No.…")
    assert len(found.message) < 300
    assert len(models.heard) == 1
    assert outcome.usage is not None
    assert outcome.usage.output_tokens == OUTPUT_TOKENS


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_a_model_began_to_call_before_it_refused_is_not_called(
    models: FakeModels, asking: Asking, provider: str
) -> None:
    bench = await asking(provider)
    models.script = [Reply(calls=[("query_sales", '{"sql": "select 1"}')], refusal=["No."])]

    found = output(await ask(bench, config(models, provider, task="assistant", user_prompt_template="Who?")))

    assert found["completion"] == "No."
    assert found["tool_calls"] == []
    assert found["turns"] == 1
