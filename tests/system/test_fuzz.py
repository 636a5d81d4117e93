"""A few seconds of `make fuzz`: what every RPC says to messages by chance."""

from tests.fuzz.rpc import Fuzzer
from tests.support.stack import Stack

SEED = 4
LASTING = {
    "DataSourceService.DeleteDataSource",
    "EngineService.DrainWorker",
    "SecretService.DeleteSecret",
    "WorkerService.Work",
}
"""What the other tests of the session would still feel; `make fuzz` asks these too."""


async def test_no_message_makes_a_service_fail_or_hang(stack: Stack) -> None:
    pids = stack.pids()
    fuzzer = Fuzzer(stack, SEED, without=LASTING)

    await fuzzer.run(seconds=2)

    assert [str(one) for one in fuzzer.tally.findings.values()] == []
    assert len(fuzzer.tally.calls) > 90
    assert {"OK", "INVALID_ARGUMENT", "NOT_FOUND"} <= set(fuzzer.tally.codes)
    assert stack.pids() == pids
