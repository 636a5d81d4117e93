"""What is no bundle, and where."""

import pytest

from chassis.errors import Invalid
from registry.bundles import reading

COMPONENT = "bundle: 1\ncomponents:\n  - name: a\n    type: DATA\n"
BOMB = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 7)
)


def problems(source: str) -> list[tuple[str, str]]:
    """The places and sentences of what is wrong with a bundle."""
    with pytest.raises(Invalid) as caught:
        reading.taken(source)
    assert caught.value.reason == "INVALID_DOCUMENT"
    return [(one.field, one.description) for one in caught.value.fields]


@pytest.mark.parametrize(
    ("source", "field", "sentence"),
    [
        ("[]", "source", "line 1, column 1: a bundle is a mapping, not a list"),
        ("components: []", "source.bundle", "it does not say that it is a bundle (begin with bundle: 1)"),
        ("bundle: 2", "source.bundle", "line 1, column 9: this is no format of bundles that is known here"),
        (
            "bundle: 1\ncomponent: []",
            "source.component",
            "line 2, column 1: unknown field 'component' (did you mean components?)",
        ),
        (COMPONENT + "    tag: [x]\n", "source.components[0].tag", "line 5, column 5: unknown field 'tag'"),
        (COMPONENT + "    type: DATA\n", "source", "the key 'type' is given twice, first in line 4"),
        (
            COMPONENT.replace("DATA", "Pyton Script"),
            "source.components[0].type",
            "line 4, column 11: 'Pyton Script' is no type",
        ),
        (COMPONENT.replace("name: a", "name: A"), "source.components[0].name", "line 3, column 11: "),
        (
            COMPONENT.replace("- name: a\n    ", "- "),
            "source.components[0]",
            "line 3, column 5: a component has name",
        ),
        (
            COMPONENT + "    versions: [{data: {}}]",
            "source.components[0].versions[0]",
            "a version has a number",
        ),
        (
            COMPONENT + "    versions: [{version: 1.0}]",
            "source.components[0].versions[0].version",
            "expected a string, found",
        ),
        (
            COMPONENT + "    versions: [{version: 1.0.0, data: {vale: 1}}]",
            "source.components[0].versions[0].data.vale",
            "did you mean value?",
        ),
        (
            COMPONENT + "    versions: [{version: 1.0.0, data: {}, utility: {}}]",
            "source.components[0].versions[0]",
            "it has data and utility",
        ),
        (
            COMPONENT + "    versions: [{version: 1.0.0, utility: {expression: 1}}]",
            "source.components[0].versions[0].utility",
            "line 5, column ",
        ),
        (
            COMPONENT + "    versions: [{version: 1.0.0, input_schema: 1}]",
            "source.components[0].versions[0].input_schema",
            "a JSON Schema",
        ),
        (
            COMPONENT + "    versions: [{version: 1.0.0}, {version: 1.0.0}]",
            "source.components[0].versions[1]",
            "another version of a '1.0.0'",
        ),
        (
            COMPONENT + "  - {name: a, type: DATA}\n",
            "source.components[1]",
            "line 5, column 5: there is another component 'a'",
        ),
        ("bundle: 1\nworkflows: [{steps: []}]", "source.workflows[0]", "a workflow of a bundle has a name"),
        (
            "bundle: 1\nworkflows: [{name: w, step: []}]",
            "source.workflows[0].step",
            "line 2, column 23: unknown field 'step'",
        ),
        (
            BOMB,
            "source",
            "the document holds more than 50000 values",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(source: str, field: str, sentence: str) -> None:
    found = problems(source)

    assert field in [where for where, _ in found]
    assert any(sentence in text for _, text in found)


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_document() -> None:
    found = problems("bundle: 1\ncomponents: [{name: 1}, 2]\nworkflows: 3\nmore: 4\n")

    places = [text.split(":")[0] for _, text in found]
    assert places == [
        "line 2, column 14",
        "line 2, column 21",
        "line 2, column 25",
        "line 3, column 12",
        "line 4, column 1",
    ]


def test_types_and_configs_are_read_in_the_words_of_people_and_in_both_spellings() -> None:
    source = (
        "bundle: 1\ncomponents:\n  - name: a\n    type: Python Script\n    displayName: A\n"
        "    versions: [{version: 1.0.0, pythonScript: {codeContent: 'def main(): pass', timeout: 60s}}]\n"
    )

    bundle = reading.taken(source)

    (component,) = bundle.components
    assert (component.sent.type, component.sent.display_name) == ("PYTHON_SCRIPT", "A")
    assert component.versions[0].sent.config == {"code_content": "def main(): pass", "timeout": "60s"}


def test_a_bundle_may_be_empty() -> None:
    assert reading.taken("bundle: 1\ncomponents: []\n").components == ()
