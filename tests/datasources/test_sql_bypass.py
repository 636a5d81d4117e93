"""Nothing that a query says changes anything, though the login is a superuser's; and honest queries pass."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from chassis.errors import ServiceError
from tests.datasources.conftest import Target, World, run
from tests.support.servers import TestPostgres

CASES = yaml.safe_load((Path(__file__).parent / "sql_bypass.yaml").read_text())
WORDS = {"refused": "STATEMENT_REFUSED", "failed": "QUERY_FAILED"}

_SETUP = """
CREATE TABLE ledger (id int PRIMARY KEY, note text NOT NULL);
INSERT INTO ledger VALUES (1, 'first');
CREATE SEQUENCE counter;
CREATE SEQUENCE ids START 100;
ALTER TABLE ledger ALTER id SET DEFAULT nextval('ids');
CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS n FROM ledger;
CREATE PROCEDURE write_ledger() LANGUAGE sql AS $$ INSERT INTO ledger (id, note) VALUES (2, 'x') $$;
CREATE FUNCTION write_ledger_now() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO ledger (id, note) VALUES (3, 'x'); RETURN 1; END $$;
CREATE FUNCTION write_as_owner() RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS
  $$ BEGIN UPDATE ledger SET note = 'x'; RETURN 1; END $$;
CREATE FUNCTION commit_and_write() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN COMMIT; INSERT INTO ledger (id, note) VALUES (4, 'x'); RETURN 1; END $$;
CREATE FUNCTION make_writable() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('transaction_read_only', 'off', true);
     INSERT INTO ledger (id, note) VALUES (5, 'x'); RETURN 1; END $$;
CREATE VIEW trap AS SELECT write_ledger_now() AS n;
"""

_STATE = """
SELECT (SELECT array_agg(l ORDER BY id)::text FROM ledger l),
       (SELECT array_agg(relname ORDER BY relname)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace),
       (SELECT array_agg(proname ORDER BY proname)::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
       (SELECT last_value::text || is_called FROM counter), (SELECT last_value::text || is_called FROM ids),
       (SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_replication_slots),
       (SELECT count(*) FROM pg_roles WHERE rolsuper), (SELECT count(*) FROM pg_db_role_setting),
       (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
       (SELECT setting FROM pg_settings WHERE name = 'work_mem'),
       (SELECT relacl::text FROM pg_class WHERE relname = 'ledger'),
       (SELECT obj_description('ledger'::regclass)), pg_conf_load_time()
"""


class Bait:
    """A running service and the database the attacks are sent to, with a superuser's login."""

    def __init__(
        self, world: World, target: Target, witness: psycopg.AsyncConnection[Any], file: Path
    ) -> None:
        self.world = world
        self.target = target
        self.witness = witness
        self.file = file

    async def state(self) -> list[Any]:
        """All that an attack might have changed; the witness' own connection among it."""
        rows = await (await self.witness.execute(_STATE.encode())).fetchall()
        return [*rows[0], self.file.exists()]


@pytest.fixture(scope="module")
async def bait(postgres: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bait]:
    """One service and one database for all cases."""
    folder = tmp_path_factory.mktemp("bypass")
    url = postgres.create_database("bait")
    target = Target(url, postgres.server.url("postgres", url.rpartition("/")[2]))
    await target.execute(_SETUP)
    witness = await psycopg.AsyncConnection.connect(
        target.superuser_url, autocommit=True, prepare_threshold=None
    )
    async with witness:
        async for world in run(postgres, folder, {"MCPANEL_ALLOWED_NETWORKS": "127.0.0.0/8"}):
            await world.create(target.privileged())
            yield Bait(world, target, witness, folder / "canary")


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
async def test_a_query_only_reads(case: dict[str, Any], bait: Bait) -> None:
    sql = case["sql"].replace("{canary}", str(bait.file)).replace("{deep}", "(" * 3000 + "1" + ")" * 3000)
    before = await bait.state()

    try:
        answer = await bait.world.query(sql, *case.get("parameters", ()))
        outcome, rows = "passes", answer.rows
    except ServiceError as error:
        outcome, rows = (
            next((word for word, reason in WORDS.items() if reason == error.reason), repr(error)),
            [],
        )

    assert outcome == case["outcome"]
    assert rows == case.get("rows", [])
    assert await bait.state() == before


def test_the_corpus_is_large_enough() -> None:
    assert len([case for case in CASES if case["outcome"] != "passes"]) >= 60
    assert len([case for case in CASES if case["outcome"] == "passes"]) >= 30
    assert len({case["name"] for case in CASES}) == len(CASES)
