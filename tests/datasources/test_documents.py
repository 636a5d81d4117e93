"""The source document: read strictly, with the place in every complaint."""

import pytest

from chassis.errors import Invalid
from datasources.documents import parse


def test_yaml_and_json_say_the_same() -> None:
    yaml = "name: sales\nport: 5433\ntls_mode: prefer\n"
    json = '{"name": "sales", "port": 5433, "tlsMode": "PREFER"}'

    assert parse(yaml) == parse(json)
    assert parse(json).tls_mode == "PREFER"


def test_an_empty_value_is_absent() -> None:
    assert parse("name: a\nport:\nhost: ~\n").port == 0


def test_writing_is_allowed_by_a_truth_value() -> None:
    assert parse("allowWrites: true").allow_writes
    assert not parse("name: a").allow_writes


def test_a_secret_stays_out_of_the_repr() -> None:
    draft = parse("secret_value: 'hunter2'")

    assert draft.secret_value == "hunter2"
    assert "hunter2" not in repr(draft)


@pytest.mark.parametrize(
    ("source", "line", "column", "says"),
    [
        ("name: a\nnmae: b", 2, 1, "unknown field 'nmae'"),
        ("name: a\nname: b", 2, 1, "given twice"),
        ("display_name: a\ndisplayName: b", 2, 1, "given twice"),
        ("name: 1", 1, 7, "put it in quotes"),
        ("secret_value: 0123", 1, 15, "put it in quotes"),
        ("name: [a]", 1, 7, "not a list"),
        ("port: '5432'", 1, 7, "whole number"),
        ("port: 70000", 1, 7, "whole number"),
        ("allow_writes: yes please", 1, 15, "true or false"),
        ("port: 1.5", 1, 7, "whole number"),
        ("port: -1", 1, 7, "whole number"),
        ("type: oracle", 1, 7, "one of POSTGRESQL"),
        ("- name", 1, 1, "expected a mapping"),
        ("just text", 1, 1, "expected a mapping"),
        ("", 1, 1, "empty"),
        ("# only a comment", 1, 1, "empty"),
        ("name: a\n  host: b", 2, 7, ""),
        ("{name: a", 2, 1, ""),
        ("name: 'a", 1, 9, ""),
        ("name: a\n---\nname: b", 2, 1, ""),
        ("name: a\nhost: *x", 2, 7, "stands for nothing"),
        ("name: !!python/object:os.system a", 1, 7, "tag"),
        ("? [a]\n: b", 1, 3, "a key is a string"),
        ("name: a\n\tc: d", 2, 1, ""),
        ("secret_value: a\nsecret_ref: env:MCPANEL_SECRET_A", 1, 1, "exclude"),
        ("a: " + "[" * 60 + "]" * 60, 1, 35, "nested deeper"),
        ("name: \x07", 1, 7, "not allow"),
        ('name: "a\\0b"', 1, 7, "NUL"),
    ],
)
def test_a_bad_document_is_refused_with_its_place(source: str, line: int, column: int, says: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse(source)

    assert caught.value.reason == "INVALID_DOCUMENT"
    assert (caught.value.metadata["line"], caught.value.metadata["column"]) == (str(line), str(column))
    assert says in caught.value.message
