"""Prompt templates: what stands for an input, and that there is nothing else to reach."""

import pytest

from worker.programs.failures import Failed
from worker.programs.llm.templates import render, user_prompt


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("Hello {{name}}", "Hello Ada"),
        ("{{ rows }}", '[{"day": 1, "sunny": true}]'),
        ("{{ rows[0].day }} of {{ rows | length }}", "1 of 1"),
        ("{% for row in rows %}{{ row.day }};{% endfor %}", "1;"),
        ("{{ nothing is defined }}", "false"),
        ("<{{ name }}> & co", "<Ada> & co"),
    ],
)
def test_a_name_stands_for_the_input_of_that_name(template: str, text: str) -> None:
    inputs = {"name": "Ada", "rows": [{"day": 1, "sunny": True}]}

    assert render("userPromptTemplate", template, inputs) == text


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ town }}", "userPromptTemplate needs an input: 'town' is undefined (given: city, rows)"),
        ("{{ city.size }}", "userPromptTemplate needs an input: 'str object' has no attribute 'size'"),
    ],
)
def test_an_input_that_was_not_given_is_named(template: str, message: str) -> None:
    with pytest.raises(Failed) as caught:
        render("userPromptTemplate", template, {"rows": [], "city": "Oslo"})

    assert caught.value.kind == "INVALID_INPUT"
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("template", "kind", "message"),
    [
        (" \n", "USER_ERROR", "userPromptTemplate is empty; write what is asked, e.g. {{ question }}"),
        (
            "{% if rows %}{{ rows }}{% endif %}",
            "INVALID_INPUT",
            "userPromptTemplate comes to no text with these inputs (given: rows): {% if rows %}",
        ),
    ],
)
def test_a_prompt_without_text_names_its_field(template: str, kind: str, message: str) -> None:
    with pytest.raises(Failed) as caught:
        user_prompt(template, {"rows": []})

    assert caught.value.kind == kind
    assert str(caught.value).startswith(message)


def test_a_template_with_a_mistake_says_in_which_line() -> None:
    with pytest.raises(Failed, match="userPromptTemplate is no template: line 2"):
        render("userPromptTemplate", "one\n{{ two", {})


@pytest.mark.parametrize(
    "template",
    [
        "{{ rows.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ self.__init__.__globals__ }}",
        "{{ rows.append(3) }}",
        "{% include '/etc/passwd' %}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ '{0.__class__.__mro__}'.format(rows) }}",
        "{{ range(10000000) | list }}",
    ],
)
def test_a_template_reaches_nothing_but_its_inputs(template: str) -> None:
    with pytest.raises(Failed):
        render("userPromptTemplate", template, {"rows": [1]})
