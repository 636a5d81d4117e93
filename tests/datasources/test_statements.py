"""How statements are read: placeholders, places, refusals."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import Invalid, ServiceError
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


async def test_a_long_statement_is_checked_as_a_short_one_is() -> None:
    checker = Checker()
    long = "SELECT " + ", ".join(f"a{number}" for number in range(3000))

    assert (await checker.check(long)).text == long
    with pytest.raises(ServiceError, match="only one statement"):
        await checker.check(f"{long}; SELECT 1")


@given(st.text(alphabet="'\"$;-/*\\%()sE aU&\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(Invalid):
        assert len(lex(text).text) <= 2 * len(text)


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_quoted_literal_is_one_token_whatever_is_in_it(text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"

    assert lex(f"SELECT {literal}").names == lex("SELECT ''").names
