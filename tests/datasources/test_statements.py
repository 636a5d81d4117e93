"""How statements are read: placeholders, places, refusals."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Exhausted, Invalid
from datasources.statements import Checker, check
from datasources.statements.lexer import lex


def refusal(sql: str) -> Invalid:
    with pytest.raises(Invalid) as caught:
        check(sql)
    assert caught.value.reason == "STATEMENT_REFUSED"
    return caught.value


def test_positional_placeholders_are_numbered_in_order() -> None:
    statement = check("SELECT %s, %s::int")

    assert statement.text == "SELECT $1 , $2 ::int"
    assert statement.positional == 2


def test_a_name_that_is_used_twice_is_one_parameter() -> None:
    statement = check("SELECT %(a)s, %(b)s, %(a)s")

    assert statement.text == "SELECT $1 , $2 , $1"
    assert statement.named == ("a", "b")


def test_a_percent_inside_quotes_is_itself() -> None:
    sql = 'SELECT \'%s\', "%s", $$%s$$ /* %s */ FROM (SELECT 1 AS "%s") s -- %s'

    statement = check(sql)

    assert statement.text == sql
    assert statement.positional == 0


def test_a_percent_that_is_no_placeholder_is_modulo() -> None:
    assert check("SELECT 5 % 3, 5 %% 3, a %sum FROM t").text == "SELECT 5 % 3, 5 % 3, a %sum FROM t"


def test_a_refusal_says_where() -> None:
    error = refusal("SELECT 1,\n  pg_read_file('x')")

    assert error.metadata == {"line": "2", "column": "3"}
    assert "pg_read_file" in error.message


def test_a_syntax_error_says_where_though_placeholders_changed_lengths() -> None:
    error = refusal("SELECT %(a_long_name)s,\n       %(a_long_name)s frm t x y")

    assert error.metadata == {"line": "2", "column": "28"}


def test_places_in_the_text_are_places_in_the_source() -> None:
    statement = check("SELECT %(name)s,\n %(name)s + missing")

    assert statement.place(statement.text.index("missing")) == (2, 13)


def test_the_digest_is_of_what_was_sent() -> None:
    assert check("SELECT 1").digest == "e004ebd5b5532a4b85984a62f8ad48a81aa3460c1ca07701f386135d72cdecf5"
    assert check("SELECT 1 ").digest != check("SELECT 1").digest


@pytest.mark.parametrize(
    "sql", ["a IN (%s,%s)", "(%s)+(%s)", "%s||%s", "%s::int*%s::int", "$$a$$||%s||%s||$x$b$x$"]
)
def test_placeholders_need_no_space_around_them(sql: str) -> None:
    statement = check(f"SELECT {sql}")

    assert statement.positional == 2


LONG = "SELECT " + ", ".join(f"a{number}" for number in range(3000))


@pytest.mark.parametrize("long", [LONG, LONG.replace("a1,", "%(ü)s,\n%(b)s,%(b)s,").replace("ü", "a")])
async def test_a_long_statement_is_checked_as_a_short_one_is(long: str) -> None:
    checker = Checker()

    assert await checker.check(long) == check(long)
    with pytest.raises(Invalid) as caught:
        await checker.check(f"{long};\nSELECT 1")
    assert caught.value.reason == "STATEMENT_REFUSED"
    assert caught.value.message.startswith("only one statement")
    assert caught.value.metadata["line"] == str(long.count("\n") + 2)


@pytest.mark.parametrize("long", [LONG, "SELECT " + "a," * 1500 + "a"], ids=["characters", "tokens"])
async def test_a_long_statement_is_checked_in_a_process_which_ends_with_the_question(long: str) -> None:
    checking = asyncio.create_task(Checker().check(long))

    while not readers() and not checking.done():
        await asyncio.sleep(0)
    begun = not checking.done()
    checking.cancel()
    with suppress(asyncio.CancelledError):
        await checking

    assert begun
    assert readers() == []


def readers() -> list[str]:
    """The processes of ours that check statements."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
            command = stat.with_name("cmdline").read_bytes()
            if parent == str(os.getpid()) and b"datasources.statements" in command:
                found.append(stat.parent.name)
    return found


async def test_a_statement_that_takes_too_long_to_read_is_refused() -> None:
    with pytest.raises(Invalid, match="make it shorter") as caught:
        await Checker(seconds=0.01).check(LONG)

    assert caught.value.reason == "STATEMENT_REFUSED"
    assert readers() == []


async def test_only_so_many_long_statements_wait_for_their_turn() -> None:
    checker = Checker()
    waiting = [asyncio.create_task(checker.check(LONG)) for _ in range(16)]
    await asyncio.sleep(0)

    with pytest.raises(Exhausted) as caught:
        await checker.check(LONG)
    short = await checker.check("SELECT 1")
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)

    assert caught.value.reason == "TOO_MANY_REQUESTS"
    assert short.text == "SELECT 1"
    assert (await checker.check(LONG)).text == LONG


@pytest.mark.parametrize(
    "sql", ["date(" * 14 + "'1'" + ")" * 14, "CAST(a AS " + "numeric(" * 15 + "1" + ")" * 15 + ")"]
)
def test_what_takes_sqlglot_twice_as_long_a_level_is_refused(sql: str) -> None:
    assert "ambiguous" in refusal(f"SELECT {sql}").message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT date(timestamp(text(date(a)))), " + "date(text(a)), " * 300 + "1",
        "SELECT " + "replace(" * 25 + "a" + ", 'x', 'y')" * 25,
        "SELECT " + "CASE WHEN a THEN 1 ELSE " * 25 + "2" + " END" * 25,
        "SELECT * FROM a" + " NATURAL FULL OUTER JOIN b" * 40,
        "SELECT * FROM a" + " JOIN b" * 20 + " ON true" * 20,
        "SELECT 1 WHERE a IN (" + ",".join(map(str, range(500))) + ")",
    ],
)
def test_what_people_write_is_never_too_ambiguous(sql: str) -> None:
    assert check(sql).text == sql


@given(st.text(alphabet="'\"$;-/*\\%()sE aU&\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert len(lex(text).text) <= 2 * len(text)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_quoted_literal_is_one_token_whatever_is_in_it(text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"

    assert lex(f"SELECT {literal}").names == lex("SELECT ''").names
