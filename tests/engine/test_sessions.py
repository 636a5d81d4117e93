"""What a worker holds, as its heartbeats tell it."""

from engine.dispatch.sessions import Session
from engine.domain import Ref
from engine.plan import ANYWHERE
from engine.records import WorkerRecord
from mcpanel.engine.v1 import worker_pb2

ASSIGNMENT = worker_pb2.EngineMessage(assignment=worker_pb2.EngineMessage.Assignment())


def ref(step_id: str) -> Ref:
    return Ref("0198d7a0-0000-7000-8000-000000000001", step_id, 1, 1)


def session(*held: Ref) -> Session:
    worker = WorkerRecord("w", ("PYTHON_SCRIPT",), 4, "cell", "test")
    return Session(worker, held)


def assigned(*refs: Ref) -> Session:
    one = session()
    for held in refs:
        one.held[held] = ANYWHERE
        one.assign(held, ASSIGNMENT)
    return one


def test_assignments_under_way_are_held_however_often_the_worker_leaves_them_out() -> None:
    worker = assigned(ref("a"), ref("b"))

    for _ in range(5):
        worker.heard([], 0)

    assert set(worker.held) == {ref("a"), ref("b")}


def test_an_assignment_that_arrived_and_is_not_held_takes_no_slot() -> None:
    worker = assigned(ref("a"), ref("b"))

    worker.heard([ref("b")], 2)

    assert set(worker.held) == {ref("b")}


def test_what_a_worker_brought_along_is_lost_as_soon_as_it_leaves_it_out() -> None:
    worker = session(ref("a"), ref("b"))

    worker.heard([ref("a")], 0)

    assert set(worker.held) == {ref("a")}


def test_a_claim_whose_assignment_was_not_sent_yet_is_held() -> None:
    worker = assigned(ref("a"))
    worker.held[ref("b")] = ANYWHERE

    worker.heard([ref("a")], 1)

    assert set(worker.held) == {ref("a"), ref("b")}
