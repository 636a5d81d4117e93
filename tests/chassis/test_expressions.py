"""Expressions in `${{ }}`: what they refer to, what they evaluate to, and what is said when they are wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.expressions import EvaluationError, Expression, ExpressionError, Template
from chassis.jsonvalue import Json, Opaque

VARIABLES: dict[str, Json] = {
    "inputs": {"city": "Seattle", "n": 2, "ratio": 1.5, "none": None, "flag": True, "list": [1, 2.5, "x"]},
    "steps": {"extract": {"output": {"rows": [{"t": 1}, {"t": 3}]}}, "a-b": {"output": "dash"}},
    "item": {"k": "v"},
}

json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**53), 2**53),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${{ inputs.n }}", 2),
        ("  ${{ inputs.n }}\n", 2),
        ("${{ inputs.ratio }}", 1.5),
        ("${{ inputs.none }}", None),
        ("${{ inputs.list }}", [1, 2.5, "x"]),
        (
            "n=${{ inputs.n }}, r=${{ inputs.ratio }}, ${{ inputs.flag }}${{ inputs.none }}!",
            "n=2, r=1.5, true!",
        ),
        ("rows: ${{ steps.extract.output.rows }}", 'rows: [{"t":1},{"t":3}]'),
        ("${{ inputs.n + 1 }}", 3),
        ("${{ inputs.ratio + 1 }}", 2.5),
        ("${{ 1 + inputs.ratio * 2 - inputs.n / 4.0 }}", 3.5),
        ("${{ size(steps.extract.output.rows) > 0 && inputs.n == 2 }}", True),
        ("${{ steps.extract.output.rows.map(r, r.t + inputs.n) }}", [3, 5]),
        ("${{ steps['a-b'].output }}", "dash"),
        ("${{ {'a': {'b': [inputs.n]}} }}", {"a": {"b": [2]}}),
        ("${{ '}}' + inputs.city }}", "}}Seattle"),
        ("${{ '${{' }}", "${{"),
        ("${{ inputs.?zzz.orValue('none') }}", "none"),
        ("${{ has(inputs.zzz) ? 1 : 0 }}", 0),
        ("${{ inputs.city.lowerAscii() }}", "seattle"),
        ("${{ merge(item, {'k': 'w', 'n': inputs.n}) }}", {"k": "w", "n": 2}),
        (
            "${{ steps.extract.output.rows.map(r, merge(r, {'f': r.t * 2})) }}",
            [{"t": 1, "f": 2}, {"t": 3, "f": 6}],
        ),
        ("${{ select(inputs, ['n', 'zzz', 'city']) }}", {"n": 2, "city": "Seattle"}),
        ("${{ {1: 2u, 'x': 3} }}", {"1": 2, "x": 3}),
        ("${{ b'abc' }}", "YWJj"),
        ("${{ timestamp('2026-01-01T00:00:00Z') }}", "2026-01-01T00:00:00Z"),
        ("${{ duration('90s') }}", "90s"),
        ("no expression, $ {{ nor }} here", "no expression, $ {{ nor }} here"),
    ],
)
def test_a_template_evaluates(text: str, value: Json) -> None:
    found = Template.parse(text).evaluate(VARIABLES)

    assert found == value
    assert type(found) is type(value)


@given(json_values)
def test_a_value_passes_through_an_expression_unchanged(value: Any) -> None:
    found = Template.parse("${{ inputs.x }}").evaluate({"inputs": {"x": value}})

    assert found == value
    assert type(found) is type(value)


@given(json_values)
def test_a_template_without_expressions_is_itself(value: Any) -> None:
    template = Template.parse(value)

    if template.is_constant:
        assert template.evaluate({}) == value


def test_references_are_found_wherever_they_stand() -> None:
    template = Template.parse(
        {
            "a": "${{ inputs.city }} and ${{ steps.extract.output.rows[0].t }}",
            "b": ["${{ steps['a-b'].output + item.k }}"],
            "c": {
                "d": "${{ steps.late.output.list.filter(row, row.ok && row.n > inputs.n).map(inputs, inputs.x) }}"
            },
            "e": "${{ has(steps.maybe.output) ? steps[inputs.city].x : steps.?other.output.orValue(0) }}",
            "f": "${{ inputs.city }}",
        }
    )

    assert template.references() == [
        ("inputs", "city"),
        ("steps", "extract", "output", "rows"),
        ("steps", "a-b", "output"),
        ("item", "k"),
        ("steps", "late", "output", "list"),
        ("inputs", "n"),
        ("steps", "maybe", "output"),
        ("steps",),
        ("steps", "other", "output"),
    ]
    assert template.expressions[0][0] == ("a",)


@pytest.mark.parametrize(
    ("source", "told", "line", "column"),
    [
        ("1 +", "the expression ends too early, expected a value", 1, 4),
        ("inputs.", "the expression ends too early, expected a value", 1, 8),
        ("(1", "the expression ends too early, expected ')'", 1, 3),
        ("inputs.x ? 1", "the expression ends too early, expected ':'", 1, 13),
        ("inputs.city ]", "unexpected ']', expected an operator or the end", 1, 13),
        ("inputs.n\n  foo", "unexpected 'foo', expected an operator or the end", 2, 3),
        ("inputs.x ==== 1", "unexpected '==', expected a value", 1, 12),
        ("'a' 'b'", "unexpected 'b', expected an operator or the end", 1, 5),
        ("[1 2]", "unexpected '2', expected ']' or ','", 1, 4),
        ("{'a' 1}", "unexpected '1', expected ':'", 1, 6),
        ("inputs.x = 1", "unexpected '='; to compare write '=='", 1, 10),
        ("inputs.x #", "unexpected '#'", 1, 10),
        ("'open", "a string that is not closed", 1, 1),
        ("nope.x", "unknown name 'nope.x'; known: inputs, steps", 1, 5),
        ("fn(1)", "unknown name 'fn'", 1, 3),
        ("'a' + 1", "no matching overload", 1, 5),
        ("", "empty", 1, 1),
        ("x" * 5000, "longer than", 1, 1),
        ("[1].map(x, " * 30 + "1" + ")" * 30, "nested too deeply: 32 levels at most", 1, 320),
        ("[\n" + "[" * 40 + "'[(['" + "]" * 41, "nested too deeply: 32 levels at most", 2, 40),
        ("1" + " + 1" * 40, "nested too deeply: 32 levels at most", 1, 127),
        ("inputs" + ".a" * 40, "nested too deeply: 32 levels at most", 1, 69),
    ],
)
def test_a_wrong_expression_is_shown_with_a_caret(source: str, told: str, line: int, column: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(source)

    assert told in caught.value.message
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).splitlines()[-1] == "  " + " " * min(column - 1, 200) + "^"


def test_an_error_says_where_in_the_template_it_is() -> None:
    with pytest.raises(ExpressionError) as caught:
        Template.parse({"with": {"rows": ["fine", "${{ 1 + }}"]}})
    assert caught.value.path == ("with", "rows", "1")
    with pytest.raises(ExpressionError, match="not closed"):
        Template.parse("${{ inputs.n ")
    with pytest.raises(EvaluationError) as late:
        Template.parse({"with": "${{ inputs.zzz }}"}).evaluate(VARIABLES)
    assert late.value.path == ("with",)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("inputs.cty", "inputs has no 'cty'; it has: city, flag, list, n, none, ratio"),
        ("steps.nope.output", "steps has no 'nope'; it has: a-b, extract"),
        ("steps.extract.output.rows.t", "steps.extract.output.rows is a list and has no 't'"),
        ("inputs.none.x", "inputs.none is null and has no 'x'"),
        ("run.id", "there is no 'run' here"),
        ("inputs.list[9]", "index=9"),
        ("inputs.city + inputs.n", "no operation +(string, int64)"),
        ("inputs.n / 0", "divide by zero"),
        ("inputs.ratio / 0", "inf, which is not JSON"),
        ("int(inputs.city)", "cannot convert"),
        ("9223372036854775807 + inputs.n", "overflow"),
        ("type(1)", "which is not JSON"),
        ("merge(inputs, inputs.n)", "no operation merge(map, int64)"),
    ],
)
def test_a_value_that_does_not_fit_is_explained(source: str, told: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        Expression.parse(source).evaluate(VARIABLES)
    assert told in str(caught.value)


def test_a_comprehension_that_runs_away_is_stopped() -> None:
    numbers: list[Json] = list(range(2000))
    runaway = Expression.parse("inputs.map(a, inputs.map(b, inputs.map(c, 1)))")

    with pytest.raises(EvaluationError, match="too much work"):
        runaway.evaluate({"inputs": numbers})
    with pytest.raises(EvaluationError, match="too many iterations"):
        Expression.parse("inputs.map(a, a)").evaluate({"inputs": numbers * 51})
    assert len(Expression.parse("inputs.filter(a, a > 0)").evaluate({"inputs": numbers * 4})) == 7996  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "source",
    [
        "inputs.rows.map(row, row.n * 2 + inputs.by)",
        "inputs.rows.filter(row, row.n % 2 == 0).map(row, {'n': row.n})",
        "inputs.rows.map(row, row.n > 10, [row.n])",
        "inputs.rows.map(row, inputs.rows.size() + row.n)",
        "inputs.rows.filter(row, row.n < 2).map(row, inputs.rows.size())",
        "inputs.rows.filter(row, row.n < 10).map(row, [1, 2].map(x, x * row.n))",
        "inputs.rows.filter(rows, rows.n > 995 || has(inputs.none))",
        "inputs.rows.map(row, size(inputs))",
    ],
)
def test_a_long_list_gives_what_its_items_give(source: str) -> None:
    rows: list[Json] = [{"n": number} for number in range(1000)]
    whole: dict[str, Json] = {"inputs": {"rows": rows, "by": 3}}
    alone = Expression.parse(f"[1].map(once, {source})")  # which hands nothing over in parts

    assert [Expression.parse(source).evaluate(whole)] == alone.evaluate(whole)
    assert whole == {"inputs": {"rows": rows, "by": 3}}


ROWS: dict[str, Json] = {"rows": [{"n": number, "t": "é"} for number in range(1000)], "by": 3}


@pytest.mark.parametrize(
    "source",
    [
        "inputs.rows.filter(row, row.n > 10).size() + size(inputs.rows.map(row, row.n))",
        "inputs.rows.filter(row, row.n > 10)[3].n",
        "{'few': inputs.rows.filter(row, row.n > 990), 'by': inputs.by}.few[1]",
        "{'n': 30} in inputs.rows.map(row, {'n': row.n})",
        "inputs.rows.map(row, row.n) == inputs.rows.map(row, row.n + 0)",
        "inputs.rows.map(row, row.t).join('-')",
        "inputs.rows.filter(row, row.n % 2 == 0).exists(row, row.n == 500 && inputs.by == 3)",
        "inputs.by > 3 ? inputs.rows.map(row, row.none).size() : 7",
        "inputs.by == 3 || inputs.rows.map(row, row.none).size() > 1",
        "inputs.rows.map(row, row.none).size() > 1 || inputs.by == 3",
        "inputs.rows.map(row, uint(row.n))[5] == 5u",
        "inputs.rows.map(row, 5u)[5] == uint(5)",
        "inputs.rows.map(row, 0u)[0] == uint(0)",
        "inputs.rows.map(row, bytes(row.t))[0] == b'é'",
        "inputs.rows.map(row, timestamp('2026-01-01T00:00:00Z'))[0].getFullYear()",
        "inputs.rows.map(row, {row.n: 1})[3][3]",
        "inputs.rows.map(row, type(row.n))[3] == int",
        "inputs.rows.map(row, row.n * 1.5)[3]",
        "inputs.?none.orValue(inputs.rows.map(row, row.n)).size()",
        "inputs.rows.filter(row, row.n > 1).size() > inputs.rows.filter(row, row.n > 2).size()",
    ],
)
def test_a_long_list_inside_an_expression_gives_what_its_items_give(source: str) -> None:
    alone = Expression.parse(f"[1].map(once, {source})")  # which hands nothing over in parts

    assert [Expression.parse(source).evaluate({"inputs": ROWS})] == alone.evaluate({"inputs": ROWS})


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("inputs.rows.map(row, row.none).size()", "Key not found"),
        ("inputs.rows.map(row, row.n + '').size()", "no operation"),
        ("inputs.rows.map(row, row.n + inputs.none).size()", "inputs has no 'none'; it has: by, rows"),
        ("inputs.rows.filter(row, row.n > 1)[2000]", "index=2000 size=998"),
    ],
)
def test_what_is_wrong_in_a_long_list_inside_an_expression_is_explained(source: str, told: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        Expression.parse(source).evaluate({"inputs": ROWS})

    assert told.lower() in caught.value.message.lower()
    assert caught.value.source == source
    assert "@" not in caught.value.message


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.rows.filter(row, row.n > 5).size()", 99_994),
        ("{'many': size(inputs.numbers.filter(n, n > 5)) > 3}", {"many": True}),
        ("inputs.rows.filter(row, row.n > 5)[0].n", 6),
        ("7 in inputs.rows.map(row, row.n)", True),
    ],
)
def test_a_hundred_thousand_rows_are_no_more_work_than_each_of_them(source: str, value: Json) -> None:
    rows: list[Json] = [{"n": number} for number in range(100_000)]
    inputs: Json = {"rows": rows, "numbers": list(range(100_000))}

    assert Expression.parse(source, ("inputs",)).evaluate({"inputs": inputs}) == value


def test_an_item_that_is_wrong_is_explained_in_a_long_list_too() -> None:
    rows: list[Json] = [{"n": number} for number in range(999)]

    with pytest.raises(EvaluationError, match="no operation"):
        Expression.parse("inputs.map(row, row.n + 1)").evaluate({"inputs": [*rows, {"n": "one"}]})


@pytest.mark.parametrize(
    "source",
    [
        "inputs.many.map(one, inputs.large)",
        "inputs.many.map(one, {'k': [inputs.large]})",
        "inputs.many.map(one, inputs.many.map(other, inputs.large).size() > 0 ? inputs.text : '')",
        "[inputs.many].map(one, one.map(other, inputs.large))",
    ],
)
def test_a_result_that_grows_beyond_measure_is_refused(source: str) -> None:
    inputs: Json = {"large": list(range(10_000)), "many": list(range(90)), "text": "long " * 20_000}

    with pytest.raises(EvaluationError, match=r"too much work|the result holds more than 150,000 values"):
        Expression.parse(source).evaluate({"inputs": inputs})


TEXT = "a" * 120_000
HOSTILE: list[tuple[str, dict[str, Any]]] = [
    ("inputs.m.map(i, inputs.m.map(j, inputs.text + inputs.text)).size()", {"text": TEXT}),
    ("inputs.text.replace('a', inputs.text).size()", {"text": TEXT}),
    ("inputs.m.map(i, inputs.text.split('')).size()", {"text": TEXT}),
    (
        "inputs.n.filter(i, inputs.text.contains(inputs.part)).size()",
        {"text": TEXT, "part": TEXT[:60_000] + "b"},
    ),
    ("inputs.text.contains(inputs.part)", {"text": TEXT, "part": TEXT[:60_000] + "b"}),
    ("inputs.n.exists(i, inputs.text.indexOf(inputs.part) > 0)", {"text": TEXT, "part": TEXT[:6000] + "b"}),
    ("inputs.n.exists(i, inputs.text.matches('(a|b|c)*(a|b)*x'))", {"text": TEXT}),
    ("inputs.n.exists(i, 'a'.matches('(a{30}){30}' + string(i)))", {}),
    ("inputs.n.filter(i, i in inputs.n).size()", {}),
    ("inputs.n.filter(i, inputs.n == inputs.same).size()", {"same": [1] * 9000}),
    ("inputs.n.exists(i, inputs.text == inputs.same)", {"text": TEXT, "same": TEXT}),
    ("inputs.n.exists(i, inputs.text.upperAscii() == '')", {"text": TEXT}),
    ("inputs.n.exists(i, base64.encode(bytes(inputs.text)) == '')", {"text": TEXT}),
    ("inputs.n.map(i, inputs.text).join(inputs.text).size()", {"text": TEXT}),
    ("inputs.n.exists(i, '%s%s'.format([inputs.text, inputs.text]) == '')", {"text": TEXT}),
    ("inputs.m.map(i, merge(inputs.object, {'i': i})).size()", {"object": {str(n): n for n in range(3000)}}),
    ("inputs.n.exists(i, size(inputs.text) == i)", {"text": "é" * 120_000}),
    ("inputs.n.exists(i, [" + "1, " * 1300 + "1].size() == i)", {}),
    ("inputs.n.exists(i, inputs.n.exists(j, j > 1))", {}),
]


@pytest.mark.parametrize(("source", "inputs"), HOSTILE)
def test_what_would_hold_everybody_up_is_refused_before_it_is_begun(
    source: str, inputs: dict[str, Any]
) -> None:
    given = {"n": [-1] * 9000, "m": [1] * 95, **inputs}

    with pytest.raises(EvaluationError, match=r"too much work for these values: .* let a script do it"):
        Expression.parse(source, ("inputs",)).evaluate({"inputs": given})


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("inputs.rows.filter(row, row.text.contains('x7')).size()", 111),
        ("inputs.rows.exists(row, row.text == 'x999')", True),
        ("inputs.rows.map(row, row.text.replace('x', 'longer than one')).join(', ').size()", 19_888),
        ("inputs.rows.map(row, row.text.split('')).size()", 1000),
        ("inputs.rows.map(row, row.parts.map(part, part * 2).size()).size()", 1000),
        ("inputs.rows.map(row, merge(row, {'a': 1})).size()", 1000),
        ("inputs.rows.map(row, row.parts.size() * 1.5).size()", 1000),
        ("inputs.text.replace('a', 'bb').size()", 240_000),
        ("inputs.text.split('').size()", 120_000),
        ("inputs.text.matches('^(a|b)*$')", True),
    ],
)
def test_what_steps_do_every_day_is_not_too_much_work(source: str, value: Json) -> None:
    rows: list[Json] = [{"text": f"x{n}", "parts": list(range(5))} for n in range(1000)]

    assert Expression.parse(source, ("inputs",)).evaluate({"inputs": {"rows": rows, "text": TEXT}}) == value


def test_the_expressions_of_one_template_share_what_they_may_handle() -> None:
    template = Template.parse(["${{ inputs.rows.filter(row, row > 0).size() }}"] * 10)

    with pytest.raises(EvaluationError, match="too much work"):
        template.evaluate({"inputs": {"rows": [1] * 30_000}})


def test_merging_again_and_again_is_stopped() -> None:
    inputs: dict[str, Json] = {"large": {str(one): one for one in range(5000)}, "many": list(range(1000))}
    runaway = Expression.parse("inputs.many.map(one, merge(inputs.large, {'n': one}))")

    with pytest.raises(EvaluationError, match="too much work"):
        runaway.evaluate({"inputs": inputs})
    assert Expression.parse("merge(inputs.large, {}).size()").evaluate({"inputs": inputs}) == 5000


@pytest.mark.parametrize(
    ("source", "certain"),
    [
        ("inputs.a + inputs.b.c", {"a", "b"}),
        ("inputs.flag ? inputs.a : inputs.b", {"flag"}),
        ("inputs.a && inputs.b", set()),
        ("has(inputs.a) ? inputs.a.b : 1", set()),
        ("inputs.?a.orValue(1)", set()),
        ("inputs.rows.filter(row, row.t > inputs.least)", {"rows", "least"}),
        ("inputs.rows.exists(row, row.t > inputs.least)", {"rows", "least"}),
        ("inputs.rows.map(row, row.t > 0 ? inputs.a : inputs.b)", {"rows"}),
        ("{'a': [inputs.a], 'b': size(inputs.b)}", {"a", "b"}),
    ],
)
def test_what_an_expression_cannot_do_without_is_known(source: str, certain: set[str]) -> None:
    paths = Expression.parse(source, ("inputs",)).certain

    assert {path[1] for path in paths} == certain


def test_a_result_larger_than_a_message_is_refused() -> None:
    template = Template.parse(["${{ inputs.x }}"] * 5)

    with pytest.raises(EvaluationError, match="larger than"):
        template.evaluate({"inputs": {"x": "a" * 1_000_000}})


def test_too_many_expressions_are_refused() -> None:
    with pytest.raises(ExpressionError, match="more than 1000"):
        Template.parse(["${{ inputs.x }}"] * 1001)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        Template.parse("${{" + text)
    except ExpressionError as refused:
        assert refused.line >= 1  # noqa: PT017  # either outcome is right


@given(st.data())
def test_only_what_is_read_is_handed_over_and_nothing_changes_by_it(data: st.DataObject) -> None:
    keys = st.sampled_from(["a", "b", "c"])
    tree: Any = data.draw(
        st.recursive(
            st.integers(0, 9),
            lambda inner: st.dictionaries(keys, inner, min_size=1, max_size=3),
            max_leaves=12,
        )
    )
    paths = data.draw(st.lists(st.lists(keys, max_size=3), min_size=1, max_size=4))
    parts = [".".join(["inputs", *path]) for path in paths]
    source = (
        "["
        + ", ".join(f"has({part}) ? [{part}] : []" if "." in part else f"[{part}]" for part in parts)
        + "]"
    )

    def plain(path: list[str]) -> Any:
        value = tree
        for depth, key in enumerate(path, 1):
            if not isinstance(value, dict) or (key not in value and depth < len(path)):
                raise LookupError
            if key not in value:
                return []
            value = value[key]
        return [value]

    try:
        expected = [plain(path) for path in paths]
    except LookupError:
        with pytest.raises(EvaluationError):
            Expression.parse(source).evaluate({"inputs": tree})
    else:
        assert Expression.parse(source).evaluate({"inputs": tree}) == expected


def test_an_integer_too_large_for_the_language_is_refused_and_not_rounded() -> None:
    with pytest.raises(EvaluationError):
        Expression.parse("inputs.x + 1").evaluate({"inputs": {"x": 2**70}})


class Elsewhere(Opaque):
    """A value that is somewhere else."""

    def __init__(self, at: str = "") -> None:
        self.at = at

    def part(self, key: str) -> "Elsewhere":
        return Elsewhere(f"{self.at}/{key}")

    @property
    def refusal(self) -> str:
        return "it is too large"


def test_a_value_that_is_somewhere_else_is_passed_on_whole_and_in_part() -> None:
    variables: Any = {"steps": {"a": {"output": Elsewhere()}}}

    value: Any = Template.parse({"b": ["${{ steps.a.output['x/y'].z }}"], "n": 1}).evaluate(variables)

    assert (value["b"][0].at, value["n"]) == ("/x/y/z", 1)


class Large(Opaque):
    """A value that is somewhere else, of which the fields are known, by their pointers, and what they are."""

    def __init__(self, kinds: dict[str, str], at: str = "") -> None:
        self.kinds = kinds
        self.at = at

    def part(self, key: str) -> "Large":
        return Large(self.kinds, f"{self.at}/{key}")

    @property
    def kind(self) -> str:
        return self.kinds.get(self.at, "")

    @property
    def fields(self) -> list[str]:
        found = (at.removeprefix(f"{self.at}/") for at in self.kinds if at.startswith(f"{self.at}/"))
        return [name for name in found if "/" not in name]

    @property
    def refusal(self) -> str:
        return "it is too large"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("has(steps.a.output.rows)", True),
        ("has(steps.a.output.zzz)", False),
        ("!has(steps.a.output.zzz) && steps.a.status == 'SUCCESS'", True),
        ("has(steps.a.output.meta) && has(steps.a.output.meta.day)", True),
        ("has(steps.a.output.meta.zzz) || has(steps.a.output)", True),
        ("[1].all(n, has(steps.a.output.rows))", True),
        ("has(steps.a.output.rows) ? 'rows' : 'none'", "rows"),
        ("has(inputs.b) && has(inputs.b.c) && inputs.b.c == 1", True),
        ("has(inputs.zzz)", False),
        ("has(inputs.b.zzz) ? inputs.b.zzz : inputs.b.c", 1),
    ],
)
def test_has_tells_which_fields_there_are_also_of_a_value_that_is_somewhere_else(
    text: str, expected: Json
) -> None:
    kinds = {"": "object", "/rows": "list", "/meta": "object", "/meta/day": "string"}
    variables: Any = {
        "inputs": {"b": {"c": 1}},
        "steps": {"a": {"output": Large(kinds), "status": "SUCCESS"}},
    }

    assert Expression.parse(text).evaluate(variables) == expected


@pytest.mark.parametrize(
    "text",
    [
        "has(steps.a.output.rows.zzz)",
        "has(steps.a.output.deep.zzz)",
        "has(steps.a.output.rows) && size(steps.a.output.rows) > 0",
        "has(steps.a.output.rows) ? steps.a.output.rows : []",
    ],
)
def test_has_is_refused_where_nobody_knows_and_beside_what_would_compute(text: str) -> None:
    kinds = {"": "object", "/rows": "list", "/deep": ""}
    variables: Any = {"steps": {"a": {"output": Large(kinds)}}}

    with pytest.raises(EvaluationError, match="it is too large"):
        Expression.parse(text).evaluate(variables)


@pytest.mark.parametrize(
    "text",
    [
        "${{ size(steps.a.output) }}",
        "${{ steps.a.output.rows[0] }}",
        "${{ [steps.a.output] }}",
        "${{ size(steps.all) }}",
        "all of ${{ steps.a.output }}",
    ],
)
def test_nothing_computes_on_a_value_that_is_somewhere_else(text: str) -> None:
    variables: Any = {"steps": {"a": {"output": Elsewhere()}, "all": [1, {"b": Elsewhere()}]}}

    with pytest.raises(EvaluationError, match="it is too large"):
        Template.parse(text).evaluate(variables)
