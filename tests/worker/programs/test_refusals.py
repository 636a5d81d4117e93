"""Models that refuse, and servers that keep a prompt from them: told at once, in their words, and not asked again."""

import pytest

from tests.support.fake_models import INPUT_TOKENS, FakeModels, Reply
from tests.worker.programs.conftest import Asking
from tests.worker.programs.test_prompt import KEY, ask, config, failure
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
