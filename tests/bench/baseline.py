"""The limit on this machine: no engine, a forked child per step, a synchronous commit at its start and its end.

A small process of its own, because a fork's cost grows with its parent: `python -m tests.bench.baseline STEPS
REPEATS` reads a database's URL from standard input and prints the seconds of each repeat.
"""

import json
import os
import sys
import time
from collections.abc import Callable

import psycopg

TABLE = (
    "create table bench_steps (id bigint generated always as identity primary key, state text, output jsonb)"
)


def fib(n: int) -> int:
    """The n-th Fibonacci number, the slow way."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def forked(function: Callable[[int], int], argument: int) -> int:
    """The function's result from a child of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(function(argument)).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        result = int(json.load(answer))
    os.waitpid(child, 0)
    return result


def chain(connection: psycopg.Connection, steps: int) -> float:
    """Seconds for `steps` steps in a row, each recorded when it starts and when it has ended."""
    started = time.perf_counter()
    value = 10
    for _ in range(steps):
        row = connection.execute("insert into bench_steps (state) values ('RUNNING') returning id").fetchone()
        assert row is not None
        value = forked(fib, 10)
        connection.execute(
            "update bench_steps set state = 'SUCCESS', output = %s where id = %s", (json.dumps(value), row[0])
        )
    return time.perf_counter() - started


if __name__ == "__main__":
    with psycopg.connect(sys.stdin.readline().strip(), autocommit=True) as database:
        database.execute(TABLE)
        chain(database, int(sys.argv[1]))
        for _ in range(int(sys.argv[2])):
            print(chain(database, int(sys.argv[1])))  # noqa: T201
        database.execute("drop table bench_steps")
