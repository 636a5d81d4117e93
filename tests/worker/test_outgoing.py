"""What a worker says on its stream while a step floods its log."""

import asyncio

from mcpanel.engine.v1 import worker_pb2 as pb
from worker.outgoing import Outgoing

RUN = "0199c7a4-7d5e-7000-8000-000000000001"


def ref(step: str) -> pb.AttemptRef:
    return pb.AttemptRef(run_id=RUN, step_id=step, attempt=1, epoch=1)


def result(step: str) -> pb.WorkerMessage:
    return pb.WorkerMessage(result=pb.WorkerMessage.Result(ref=ref(step), output_json=b"1"))


def flood(outgoing: Outgoing, step: str, lines: int) -> None:
    for _ in range(lines):
        outgoing.log(ref(step), "stdout", "INFO", "x")
    outgoing.flush()


async def everything(outgoing: Outgoing) -> list[pb.WorkerMessage]:
    """What would be sent now; returns when the rest has to wait."""
    found: list[pb.WorkerMessage] = []
    while True:
        try:
            found += await asyncio.wait_for(outgoing.next(), 0.01)
        except TimeoutError:
            return found


def kinds(messages: list[pb.WorkerMessage]) -> list[str | None]:
    return [one.WhichOneof("message") for one in messages]


def lines_in(messages: list[pb.WorkerMessage]) -> list[pb.WorkerMessage.Logs.Line]:
    return [line for one in messages for line in one.logs.lines]


async def test_a_sign_of_life_goes_before_the_lines_of_a_flood() -> None:
    outgoing = Outgoing()
    flood(outgoing, "flood", 20_000)

    outgoing.send(pb.WorkerMessage(heartbeat=pb.WorkerMessage.Heartbeat(holding=[ref("flood")])))

    assert kinds(await outgoing.next())[0] == "heartbeat"


async def test_no_more_of_a_flood_is_under_way_than_the_engine_has_acknowledged() -> None:
    outgoing = Outgoing()
    flood(outgoing, "flood", 20_000)

    first = lines_in(await everything(outgoing))
    waiting = await everything(outgoing)
    outgoing.acknowledge(pb.EngineMessage.LogsAck(ref=ref("flood"), number=first[-1].number))
    second = lines_in(await everything(outgoing))

    assert 0 < len(first) < 2_000
    assert waiting == []
    assert second[0].number == first[-1].number + 1


async def test_what_another_step_says_does_not_wait_for_a_flood() -> None:
    outgoing = Outgoing()
    flood(outgoing, "flood", 20_000)
    outgoing.send(result("flood"))
    outgoing.log(ref("quiet"), "stdout", "INFO", "a word")
    outgoing.send(result("quiet"))

    sent = await everything(outgoing)

    [ended] = [one.result.ref.step_id for one in sent if one.HasField("result")]
    said = [line.message for line in lines_in(sent) if line.ref.step_id == "quiet"]
    assert (ended, said) == ("quiet", ["a word"])


async def test_a_result_comes_after_all_the_lines_of_its_attempt() -> None:
    outgoing = Outgoing()
    flood(outgoing, "flood", 3_000)
    outgoing.send(result("flood"))

    sent: list[pb.WorkerMessage] = []
    while some := await everything(outgoing):
        sent += some
        numbers = [line.number for line in lines_in(some)] or [0]
        outgoing.acknowledge(pb.EngineMessage.LogsAck(ref=ref("flood"), number=numbers[-1]))

    assert [line.number for line in lines_in(sent)] == list(range(1, 3_001))
    assert kinds(sent).index("result") == len(sent) - 1


async def test_lines_of_an_attempt_that_is_anothers_by_now_are_not_sent() -> None:
    outgoing = Outgoing()
    flood(outgoing, "lost", 20_000)

    outgoing.forget(ref("lost"))

    assert await everything(outgoing) == []


async def test_a_new_stream_begins_with_what_was_not_acknowledged_on_the_one_before() -> None:
    outgoing = Outgoing()
    flood(outgoing, "flood", 1_000)
    before = lines_in(await everything(outgoing))
    outgoing.acknowledge(pb.EngineMessage.LogsAck(ref=ref("flood"), number=before[0].number - 1))

    outgoing.rewind()

    assert [line.number for line in lines_in(await everything(outgoing))] == [one.number for one in before]


async def test_lines_that_found_no_room_are_counted_where_they_are_missing() -> None:
    outgoing = Outgoing(backlog_bytes=65 * 10)

    flood(outgoing, "flood", 30)
    outgoing.send(result("flood"))

    sent = await everything(outgoing)
    assert [line.message for line in lines_in(sent)] == [
        *["x"] * 10,
        "20 lines were left out here: the engine was away, or too slow for them",
    ]
    assert kinds(sent)[-1] == "result"
