"""The database: the migrations make what the code expects, and a full one stays quick where it matters."""

import psycopg
from psycopg.rows import scalar_row

from chassis import migrations
from engine.store import loading
from tests.support.servers import TestPostgres


def test_the_tables_are_what_the_migrations_make(postgres: TestPostgres) -> None:
    url = postgres.create_database("tables", migrate="engine")

    migrations.check(url, "engine")
    migrations.downgrade(url, "engine", "base")
    migrations.upgrade(url, "engine")


def test_claiming_among_many_finished_steps_reads_the_index_of_ready_ones_only(
    postgres: TestPostgres,
) -> None:
    url = postgres.create_database("claims", migrate="engine")
    with psycopg.connect(url, autocommit=True, row_factory=scalar_row) as connection:
        connection.execute(
            """INSERT INTO run_steps (run_id, step_id, kind, status, attempt, epoch, due_at, worker_id, stopping)
               SELECT gen_random_uuid(), 'a', 'PYTHON_SCRIPT', 'SUCCESS', 1, 1, NULL, '', false
               FROM generate_series(1, 20000)"""
        )
        connection.execute("ANALYZE")
        sql, parameters = loading.claim_sql("PYTHON_SCRIPT", 4)

        plan = "\n".join(connection.execute("EXPLAIN " + sql, parameters))

    assert "ix_run_steps_ready" in plan
    assert "Seq Scan on run_steps" not in plan
