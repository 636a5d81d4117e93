"""Results in real cells: pages without scripts, charts without a network, files."""

import json
import re
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from mcpanel.registry.v1.component_pb2 import OutputConfig
from registry.component_types import EXAMPLES
from tests.worker.programs.conftest import Open
from tests.worker.support.cells import Bench

SPEC = {
    "mark": "bar",
    "encoding": {"x": {"field": "month", "type": "ordinal"}, "y": {"field": "high", "type": "quantitative"}},
}
ROWS = [{"month": 1, "high": 7.5}, {"month": 7, "high": 26.0}]


@pytest.fixture
async def writer(benches: Open) -> Bench:
    """Runs OUTPUT components."""
    return await benches("output", toolbox="report", reserves=True)


async def output(bench: Bench, config: dict[str, Any], inputs: Any = None) -> Any:
    """The output of a step that succeeds."""
    outcome = await bench.run("", inputs, config=config)
    assert outcome.failure is None, (outcome.failure, bench.sink.lines)
    assert outcome.output_json is not None
    return json.loads(outcome.output_json)


async def test_a_report_is_kept_as_markdown_and_as_a_page_that_cannot_run_anything(writer: Bench) -> None:
    template = (
        "# {{ title }}\n\n{{ rows | table(['month', 'high']) }}\n\n{{ evil }} [x](javascript:alert(1))\n"
    )
    inputs = {
        "title": "Months",
        "rows": ROWS,
        "evil": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    }

    answer = await output(writer, {"report": {"template": template}}, inputs)

    assert [one["name"] for one in answer["artifacts"]] == ["report.md", "report.html"]
    text = writer.sink.artifacts["report.md"][1].decode()
    assert "| month | high |\n| --- | --- |\n| 1 | 7.5 |" in text
    page = writer.sink.artifacts["report.html"][1].decode()
    assert "<h1>Months</h1>" in page
    assert "<td>26.0</td>" in page
    body = page.partition("<body>")[2]
    assert "<script" not in body
    assert "<img" not in body
    assert 'href="javascript' not in body


async def test_the_example_that_forms_show_makes_a_report(writer: Bench) -> None:
    config = MessageToDict(ParseDict(EXAMPLES["OUTPUT"], OutputConfig()), preserving_proto_field_name=True)
    rows = [{"day": "2024-07-03", "high": 33.2}, {"day": "2024-07-02", "high": 31.0}]

    await output(writer, config, {"title": "July", "rows": rows})

    text = writer.sink.artifacts["hot-days.md"][1].decode()
    assert text.startswith("# July\n\nThere were **2** hot days.")
    assert "| 2024-07-03 | 33.2 |" in text


async def test_a_table_is_made_of_a_list_of_objects_however_it_was_chosen(writer: Bench) -> None:
    template = "{{ rows | selectattr('high', 'gt', 10) | table }}"

    await output(writer, {"report": {"template": template}}, {"rows": ROWS})

    assert writer.sink.artifacts["report.md"][1] == b"| month | high |\n| --- | --- |\n| 7 | 26.0 |"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("abc", "it is a text"),
        ([1, 2], "item 1 is a number"),
        ([{"a": 1}, ["long"] * 1000], "item 2 is a list"),
        (5, "it is a number"),
        (None, "it is null"),
        ({"month": 1}, "it is one object"),
    ],
)
@pytest.mark.parametrize(
    "config",
    [
        {"report": {"template": "{{ rows | table }}"}},
        {"chart": {"vega_lite": SPEC}},
        {"table": {"data_source": "sales", "table": "orders"}},
    ],
)
async def test_a_table_of_something_else_is_refused_with_what_it_was(
    writer: Bench, config: dict[str, Any], rows: Any, said: str
) -> None:

    outcome = await writer.run("", {"rows": rows}, config=config)

    assert outcome.failure is not None
    assert outcome.failure.kind == "INVALID_INPUT"
    assert "a list of objects; " in outcome.failure.message
    assert outcome.failure.message.endswith(said)


async def test_an_html_report_escapes_what_it_inserts_and_loses_what_would_run(writer: Bench) -> None:
    template = '<h1 onclick="x()">{{ name }}</h1><script>x()</script><iframe src="/"></iframe><p>end</p>'
    template += '<img src="//pictures.example/1.png" alt="far"><img src="data:image/png;base64,iVBORw0KGgo=">'
    template += '<a href="https://pictures.example">there</a>'

    await output(
        writer, {"report": {"template": template, "format": "html", "name": "page"}}, {"name": "<b>"}
    )

    body = writer.sink.artifacts["page.html"][1].decode().partition("<body>")[2]
    assert "<h1>&lt;b&gt;</h1>" in body
    assert "<p>end</p>" in body
    assert re.findall("<img[^>]*>", body) == [
        '<img alt="far">',
        '<img src="data:image/png;base64,iVBORw0KGgo=">',
    ]
    assert 'href="https://pictures.example"' in body
    assert not [word for word in ("onclick", "script", "iframe") if word in body]


async def test_a_chart_is_drawn_of_rows_as_svg_and_png(writer: Bench) -> None:
    answer = await output(
        writer, {"chart": {"vega_lite": SPEC, "format": "both", "scale": 1.0}}, {"rows": ROWS}
    )

    assert [one["name"] for one in answer["artifacts"]] == ["chart.svg", "chart.png"]
    assert writer.sink.artifacts["chart.svg"][1].startswith(b"<svg")
    assert b"26" in writer.sink.artifacts["chart.svg"][1]
    assert writer.sink.artifacts["chart.png"][1].startswith(b"\x89PNG")
    assert "image/svg+xml" in writer.sink.previews[-1]


async def test_a_chart_may_have_pictures_of_its_own_and_text_of_any_kind_and_has_no_links(
    writer: Bench,
) -> None:
    picture = "data:image/png;base64,iVBORw0KGgo="
    text = 'see href="http://pictures.example" or url(http://pictures.example)'
    spec = {
        "layer": [
            {"mark": {"type": "image", "url": picture}},
            {"mark": "text", "encoding": {"text": {"field": "t"}, "href": {"field": "u"}}},
            {"mark": {"type": "point", "href": "https://pictures.example"}},
        ]
    }

    await output(writer, {"chart": {"vega_lite": spec}}, {"rows": [{"t": text, "u": "javascript:alert(1)"}]})

    svg = writer.sink.artifacts["chart.svg"][1].decode()
    assert picture in svg
    assert "url(http://pictures.example)" in svg
    assert "<a" not in svg


async def test_a_row_may_have_a_width_of_any_size(writer: Bench) -> None:
    spec = {"mark": "point", "encoding": {"x": {"field": "width", "type": "quantitative"}}}

    await output(writer, {"chart": {"vega_lite": spec}}, {"rows": [{"width": 1e9}, {"width": 2**70}]})

    assert writer.sink.artifacts["chart.svg"][1].startswith(b"<svg")


async def test_a_file_holds_text_as_it_is_and_anything_else_as_json(writer: Bench) -> None:
    await output(writer, {"file": {"name": "a.txt"}}, {"content": "hello"})
    text = writer.sink.artifacts["a.txt"]
    await output(writer, {"file": {"name": "empty.txt"}}, {"content": ""})
    empty = writer.sink.artifacts["empty.txt"]
    await output(writer, {"file": {"name": "b.json"}}, {"content": {"a": [1]}})
    value = writer.sink.artifacts["b.json"]
    await output(
        writer, {"file": {"name": "c.csv", "template": "{{ a }};{{ b }}"}}, {"a": 1, "b": 2, "self": 3}
    )

    assert text == ("text/plain", b"hello")
    assert empty == ("text/plain", b"")
    assert (value[0], json.loads(value[1])) == ("application/json", {"a": [1]})
    assert writer.sink.artifacts["c.csv"][1] == b"1;2"


@pytest.mark.parametrize(
    ("config", "inputs", "words"),
    [
        ({"report": {"template": "{{ missing }}"}}, {}, "'missing' is undefined"),
        ({"report": {"template": "one\n{% if %}"}}, {}, "line 2"),
        ({"report": {"template": "{{ ''.__class__.__mro__ }}"}}, {}, "template"),
        ({"report": {"template": "{% for i in range(10**9) %}x{% endfor %}"}}, {}, "template failed"),
        ({"report": {"template": "{{ missing | json }}"}}, {}, "'missing' is undefined"),
        (
            {"report": {"template": "{% include 'other' %}"}},
            {},
            "the template 'other', and there is no other",
        ),
        ({"report": {"template": "{{ rows | table(5) }}"}}, {"rows": ROWS}, "its columns as a list of names"),
        (
            {"report": {"template": "{{ rows | table([{}]) }}"}},
            {"rows": ROWS},
            "its columns as a list of names",
        ),
        (
            {"report": {"template": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"}},
            {},
            "a macro of it calls itself without an end",
        ),
        (
            {"chart": {"vega_lite": {**SPEC, "data": "rows"}}},
            {"rows": ROWS},
            "the chart's data has to be an object",
        ),
        (
            {"chart": {"vega_lite": {"layer": "x"}}},
            {"rows": ROWS},
            "the chart's layer has to be a list of views",
        ),
        (
            {"chart": {"vega_lite": {"layer": [5]}}},
            {"rows": ROWS},
            "the chart's layer[0] has to be an object",
        ),
        (
            {"chart": {"vega_lite": {"mark": "bar", "encoding": [1]}}},
            {"rows": ROWS},
            "encoding has to be an object",
        ),
        (
            {"chart": {"vega_lite": {"mark": "bar", "encoding": {"x": "month"}}}},
            {"rows": ROWS},
            'the chart\'s encoding.x has to be an object, such as {"field": "city"}',
        ),
        ({"chart": {"vega_lite": SPEC}}, {}, "the input 'rows' is missing: a list of objects"),
        (
            {"chart": {"vega_lite": {**SPEC, "data": {"url": "file:///etc/passwd"}}}},
            {"rows": []},
            ".data.url",
        ),
        (
            {"chart": {"vega_lite": {"mark": "nope"}}},
            {"rows": ROWS},
            "the mark is 'nope' in the chart; there is arc, area, bar, boxplot",
        ),
        (
            {"chart": {"vega_lite": {"layer": [SPEC, {"mark": {"nonsense": 1}}]}}},
            {"rows": ROWS},
            "the type of the mark is missing in the chart's layer[1]; there is arc",
        ),
        (
            {"chart": {"vega_lite": {"encoding": {}}}},
            {"rows": ROWS},
            "the chart has nothing to draw: it needs a mark, or views in layer",
        ),
        (
            {"chart": {"vega_lite": {"mark": "bar", "encoding": {"x": {"field": "a", "type": "number"}}}}},
            {"rows": ROWS},
            "the chart's encoding.x.type is 'number'; there is quantitative",
        ),
        (
            {"chart": {"vega_lite": {"mark": "image", "encoding": {"url": {"field": "month"}}}}},
            {"rows": [{"month": "http://pictures.example/1.png"}]},
            "the chart would load http://pictures.example/1.png when it is opened; give a picture as a data: URL",
        ),
        (
            {"chart": {"vega_lite": {"mark": {"type": "image", "url": {"expr": "'//pictures.example'"}}}}},
            {"rows": ROWS},
            "the chart would load http://pictures.example when",
        ),
        (
            {"chart": {"vega_lite": {**SPEC, "background": "URL( 'http://pictures.example/2.png')"}}},
            {"rows": ROWS},
            "the chart would load http://pictures.example/2.png",
        ),
        (
            {"chart": {"vega_lite": {**SPEC, "width": 100_000, "height": 100_000}, "format": "png"}},
            {"rows": ROWS},
            "the chart's width is 100,000; a side has 0 to 20,000 pixels",
        ),
        (
            {"chart": {"vega_lite": {"hconcat": [SPEC, {**SPEC, "height": {"step": 1e9}}]}}},
            {"rows": ROWS},
            "the chart's hconcat[1].height is 1,000,000,000.0 a step; a side has 0 to 20,000 pixels",
        ),
        (
            {"chart": {"vega_lite": {**SPEC, "width": {"step": 10_000}, "height": 1000}, "format": "both"}},
            {"rows": ROWS},
            "pixels (scale 2), more than 50,000,000; make it smaller, lower the scale, or take the format svg",
        ),
        ({"file": {"name": "a.txt"}}, {}, "'content'"),
    ],
)
async def test_what_cannot_be_written_is_refused_with_the_reason(
    writer: Bench, config: dict[str, Any], inputs: dict[str, Any], words: str
) -> None:
    outcome = await writer.run("", inputs, config=config)

    assert outcome.failure is not None, outcome
    assert words in outcome.failure.message


async def test_rows_go_into_a_table_and_a_refusal_is_the_steps_failure(writer: Bench) -> None:
    table = {"table": {"data_source": "sales", "table": "orders", "mode": "replace"}}

    answer = await output(writer, table, {"rows": ROWS})
    written = writer.sink.written
    writer.sink.refuse = "the write to 'sales' failed: table orders, row 2"
    refused = (await writer.run("", {"rows": ROWS}, config=table)).failure
    writer.sink.refuse = ""
    wrong = (await writer.run("", {"rows": [{}]}, config=table)).failure

    assert answer == {"rows": 2}
    parts = [{"columns": ["month", "high"], "rows": [[1, 7.5], [7, 26.0]]}]
    assert written == [("sales", "orders", True, parts)]
    assert refused is not None
    assert refused.message == "the write to 'sales' failed: table orders, row 2"
    assert wrong is not None
    assert "row 1 has to be a dict" in wrong.message
