"""The limit on this machine: no engine, a forked child per step, a synchronous commit at its start and its end.

A small process of its own, because a fork's cost grows with its parent: `python -m tests.bench.baseline WORKLOAD
NUMBER REPEATS` reads a database's URL from standard input and prints the seconds of each repeat.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

TABLE = (
    "create table bench_steps (id bigint generated always as identity primary key, state text, output jsonb)"
)
AT_ONCE = 2


def fib(n: int) -> int:
    """The n-th Fibonacci number, the slow way."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


class Child:
    """A forked child that runs a function; `result` waits for it."""

    def __init__(self, function: Callable[[int], Any], argument: int) -> None:
        reader, writer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.write(writer, json.dumps(function(argument)).encode())
            os._exit(0)
        os.close(writer)
        self._reader = reader

    def result(self) -> Any:
        """What the function returned, once the child is gone."""
        with os.fdopen(self._reader) as answer:
            result = json.load(answer)
        os.waitpid(self._pid, 0)
        return result


class Steps:
    """Runs steps on a connection, each recorded when it starts and when it has ended."""

    def __init__(self, url: str) -> None:
        self._database = psycopg.connect(url, autocommit=True)

    def __enter__(self) -> "Steps":
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def begin(self, function: Callable[[int], Any], argument: int) -> tuple[int, Child]:
        """Starts one."""
        row = self._database.execute("insert into bench_steps (state) values ('RUNNING') returning id")
        found = row.fetchone()
        assert found is not None
        return found[0], Child(function, argument)

    def end(self, begun: tuple[int, Child]) -> Any:
        """Waits for it; its output."""
        output = begun[1].result()
        self._database.execute(
            "update bench_steps set state = 'SUCCESS', output = %s where id = %s",
            (json.dumps(output), begun[0]),
        )
        return output


def chain(url: str, steps: int) -> float:
    """W1: so many steps in a row."""
    with Steps(url) as database:
        started = time.perf_counter()
        for _ in range(steps):
            database.end(database.begin(fib, 10))
        return time.perf_counter() - started


def diamonds(url: str, runs: int) -> float:
    """W3: so many times A, then B and C, then D, by two processes."""

    def half(count: int) -> int:
        with Steps(url) as database:
            for _ in range(count):
                database.end(database.begin(abs, 1))
                for begun in [database.begin(abs, 1) for _ in range(2)]:
                    database.end(begun)
                database.end(database.begin(abs, 1))
        return count

    started = time.perf_counter()
    for child in [Child(half, runs // AT_ONCE) for _ in range(AT_ONCE)]:
        child.result()
    return time.perf_counter() - started


def single(url: str, _: int) -> float:
    """W4: one step."""
    with Steps(url) as database:
        time.sleep(0.1)
        started = time.perf_counter()
        database.end(database.begin(abs, 1))
        return time.perf_counter() - started


WORKLOADS: dict[str, Callable[[str, int], float]] = {
    "chain": chain,
    "diamonds": diamonds,
    "single": single,
}


def measured(url: str, workload: str, number: int, repeats: int) -> Iterator[float]:
    """The seconds of each repeat, after one that does not count."""
    run = WORKLOADS[workload]
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(TABLE)
        try:
            if repeats > 1:
                run(url, number)
            for _ in range(repeats):
                yield run(url, number)
        finally:
            database.execute("drop table bench_steps")


if __name__ == "__main__":
    for seconds in measured(sys.stdin.readline().strip(), sys.argv[1], int(sys.argv[2]), int(sys.argv[3])):
        print(seconds)  # noqa: T201
