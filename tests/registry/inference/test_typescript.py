"""Schemas inferred from a TypeScript script's `main`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry import schemas
from registry.inference import DIALECT, NONE, ScriptError
from registry.inference.typescript import infer

DECLARED = """
import type { Elsewhere } from "./elsewhere.ts";

/** A day's weather. */
interface Row {
  /** The day,
   *  as ISO 8601.
   *
   *  More about it. */
  day: string;
  celsius?: number | null;
  readonly wet: boolean; // not said of anybody
  measure(): void;
}
interface Row { station: string | undefined }
interface Better extends Row { "of-whom": Level }
interface Open extends Elsewhere { x: number }
interface Page<T> { items: T[] }
interface Node { value: number; children: Node[] }
type Rows = Row[];
type Both = Pick<Row, "day"> & { /** @integer
 * @minimum 1
 * @default 3 */ n: number; /** @pattern ^[a-z]+$
 * @maxLength 9 */ word: string };
type Tree = number | { [name: string]: Tree };
type Self = Self | number;
type Kilometres = number & { __unit: "km" };
enum Level { Low, High = 5, Higher }
const enum Word { Yes = "yes", No = 'no' }
enum Computed { A = compute() }
const UNITS = ["c", "f"] as const;
const SIZES = { s: 1, m: 2 } as const;
let changing = ["x"] as const;
class Other { x = 1 }
"""

TYPES: list[tuple[str, dict[str, Any]]] = [
    ("number", {"type": "number"}),
    ("string", {"type": "string"}),
    ("boolean", {"type": "boolean"}),
    ("null", {"type": "null"}),
    ("any", {}),
    ("unknown", {}),
    ("object", {}),
    ("{}", {}),
    ("bigint", {}),
    ("Date", {}),
    ("Map<string, number>", {}),
    ("Other", {}),
    ("Elsewhere", {}),
    ("() => void", {}),
    ("string[]", {"type": "array", "items": {"type": "string"}}),
    ("readonly (string | null)[]", {"type": "array", "items": {"type": ["string", "null"]}}),
    ("Array<boolean>", {"type": "array", "items": {"type": "boolean"}}),
    ("ReadonlyArray<Unknown>", {"type": "array"}),
    ("number | string | null", {"type": ["number", "string", "null"]}),
    ("| 'a' | 'b' | 1 | -1.5 | true", {"enum": ["a", "b", 1, -1.5, True]}),
    ('"a" | null', {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}),
    ("number | Other", {}),
    ("`row-${number}`", {"type": "string"}),
    (
        "[number, string?]",
        {
            "type": "array",
            "prefixItems": [{"type": "number"}, {"type": "string"}],
            "items": False,
            "minItems": 1,
            "maxItems": 2,
        },
    ),
    (
        "[x: number, ...rest: string[]]",
        {"type": "array", "prefixItems": [{"type": "number"}], "items": {"type": "string"}, "minItems": 1},
    ),
    ("Record<string, number>", {"type": "object", "additionalProperties": {"type": "number"}}),
    (
        "Record<'a' | 'b', boolean>",
        {
            "type": "object",
            "properties": {"a": {"type": "boolean"}, "b": {"type": "boolean"}},
            "required": ["a", "b"],
        },
    ),
    ("{ [k: string]: number }", {"type": "object", "additionalProperties": {"type": "number"}}),
    ("{ a: { b?: 1 } }", {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"enum": [1]}}}},
        "required": ["a"],
    }),
    ("Rows", {"type": "array", "items": {"$ref": "#/$defs/Row"}}),
    ("Node", {"$ref": "#/$defs/Node"}),
    ("Page<Row>", {"$ref": "#/$defs/Page"}),
    ("Tree", {"$ref": "#/$defs/Tree"}),
    ("Self", {}),
    ("Kilometres", {"$ref": "#/$defs/Kilometres"}),
    ("Level", {"enum": [0, 5, 6]}),
    ("Word", {"enum": ["yes", "no"]}),
    ("Computed", {}),
    ("(typeof UNITS)[number]", {"enum": ["c", "f"]}),
    ("typeof UNITS[number]", {"enum": ["c", "f"]}),
    ("keyof typeof SIZES", {"enum": ["s", "m"]}),
    ("(typeof changing)[number]", {}),
    ("keyof Row", {"enum": ["day", "celsius", "wet", "station"]}),
    ("Row['celsius']", {"type": ["number", "null"]}),
    ("Rows[number]", {"$ref": "#/$defs/Row"}),
    ("NonNullable<string | null>", {"type": "string"}),
    ("Partial<{ a: string }>", {"type": "object", "properties": {"a": {"type": "string"}}}),
    (
        "Omit<Row, 'day' | 'wet' | 'station'>",
        {"type": "object", "properties": {"celsius": {"type": ["number", "null"]}}},
    ),
    ("T extends string ? 1 : 2", {}),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "schema"), TYPES)
def test_a_type_becomes_a_schema(annotation: str, schema: dict[str, Any]) -> None:
    found = infer(f"{DECLARED}\nexport function main(inputs: {{ x: {annotation} }}) {{}}\n")

    assert found.input_schema is not None
    assert found.input_schema["properties"]["x"] == schema
    assert schemas.problems(found.input_schema) == []


def test_interfaces_and_aliases_become_definitions() -> None:
    found = infer(
        f"{DECLARED}\nexport function main(inputs: {{ a: Better; b: Both; c: Open }}) {{}}"
    ).input_schema

    assert found is not None
    assert schemas.problems(found) == []
    assert found["$defs"] == {
        "Better": {
            "type": "object",
            "properties": {
                "day": {"type": "string", "description": "The day, as ISO 8601."},
                "celsius": {"type": ["number", "null"]},
                "wet": {"type": "boolean"},
                "station": {"type": "string"},
                "of-whom": {"enum": [0, 5, 6]},
            },
            "required": ["day", "wet", "of-whom"],
        },
        "Both": {
            "type": "object",
            "properties": {
                "day": {"type": "string", "description": "The day, as ISO 8601."},
                "n": {"type": "integer", "minimum": 1, "default": 3},
                "word": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 9},
            },
            "required": ["day", "n", "word"],
        },
        "Open": {
            "type": "object",
            "properties": {"x": {"type": "number"}},
            "required": ["x"],
            "additionalProperties": True,
        },
    }


def test_the_fields_of_the_first_parameter_are_the_inputs() -> None:
    found = infer(
        """
interface Inputs { city: string; days: number; unit?: "c" | "f"; later?: Date }

/**
 * Fetches the weather.
 *
 * @param inputs.city where to look
 */
export async function main(inputs: Inputs): Promise<{ rows: number[]; at: Date } | undefined> { }
"""
    )

    assert found.input_schema == {
        "$schema": DIALECT,
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "where to look"},
            "days": {"type": "number"},
            "unit": {"enum": ["c", "f"]},
            "later": {},
        },
        "required": ["city", "days"],
        "additionalProperties": False,
        "description": "Fetches the weather.",
    }
    assert found.output_schema == {
        "$schema": DIALECT,
        "anyOf": [
            {
                "type": "object",
                "properties": {
                    "rows": {"type": "array", "items": {"type": "number"}},
                    "at": {"type": "string", "format": "date-time"},
                },
                "required": ["rows", "at"],
            },
            {"type": "null"},
        ],
    }


def test_default_values_make_inputs_optional() -> None:
    typed = "{ city: string; days: number; unit: string; place: { x: number } }"
    found = infer(
        f"export const main = ({{ city, days = 3, unit: u = `c`, place = where() }}: {typed}): void => {{}};"
    ).input_schema

    assert found is not None
    assert found["required"] == ["city"]
    assert found["properties"]["days"] == {"type": "number", "default": 3}
    assert found["properties"]["unit"] == {"type": "string", "default": "c"}
    assert "default" not in found["properties"]["place"]


@pytest.mark.parametrize(
    ("code", "schema"),
    [
        ("export function main() {}", {"type": "object"}),
        ("export function main(inputs) {}", {"type": "object"}),
        ("export const main = async (inputs: any) => 1", {"type": "object"}),
        ("export function main({ a, b = 2 }) {}", {"type": "object", "properties": {"a": {}, "b": {"default": 2}}}),
        ("function run(i: { a: string }) {}\nexport { run as main };", {
            "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False,
        }),
        ("export function main(inputs: Record<string, number>) {}", {
            "type": "object", "additionalProperties": {"type": "number"},
        }),
    ],
)  # fmt: skip
def test_what_is_not_typed_takes_anything(code: str, schema: dict[str, Any]) -> None:
    assert infer(code).input_schema == {"$schema": DIALECT} | schema


@pytest.mark.parametrize(
    "code",
    [
        "export class main {}",
        'export { main } from "./other.ts";',
        "export function main(a: string): void;\nexport function main(a: number): void;\nexport function main(a) {}",
        "export const main = wrap((inputs: { a: string }) => 1);",
        "export function main<T>(inputs: T) {}",
        "export function main(i: " + "[" * 3_000 + "string" + "]" * 3_000 + ") {}",
    ],
)
def test_a_script_that_does_not_say_is_no_error(code: str) -> None:
    found = infer(code)

    assert found == NONE or found.input_schema in (None, {"$schema": DIALECT, "type": "object"})


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("", "line 1, column 1: no main is exported; write export function main(inputs)"),
        ("import x from 'x';\nfunction main() {}", "line 2, column 1: main is not exported"),
        ("\nexport default function main() {}", "line 2, column 1: a default export is not what the step calls"),
        ("export interface main {}", "no main is exported"),
        ("const a = 1;\nexport { a };", "no main is exported"),
        ("export function main(inputs: { a: ", "line 1, column 30: this '{' is never closed with '}'"),
        ("export function main() {\n  const é = ;\n}", "line 2, column 11: unexpected '='"),
        ("export function main() {\n  if (x {\n  }\n}", "line 2, column 8: ')' is missing here"),
        ("export function main(i) {\n  return i.a +;\n}", "line 2, column 15: a value is missing here"),
        ("def main(a):\n    return a", "line 1, column 1: unexpected 'def main(a):'"),
        ("export function main() {} }", "line 1, column 27: unexpected '}'"),
        ("(" * 16_000, "is never closed"),
        ("type A = " + "(A | " * 3_000, "line 1"),
        ("export function main(i: " + "{ a: " * 3_000, "is never closed"),
        ("a\0b", "line 1, column 2"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_refused_where_it_is_wrong(code: str, told: str) -> None:
    with pytest.raises(ScriptError) as caught:
        infer(code)

    assert told in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [
        "await using x = f();",
        "type A<in out T> = { x: T }; interface B<out T extends string> { x: T }",
        'export type * from "./x.ts";',
        'type A = readonly import("./x.ts").B<string>[];',
        'import defer * as later from "./x.ts";',
        'import x from "./x.json" with { type: "json" };',
        "const a = String.raw`\\u${1}`, b = sql<{ a: 1 }>`x`;",
        "@dec class A { @dec accessor x = 1; static { } #y = 2; override toString() { return '' } }",
        "const enum E { A = 1 } namespace N.M { export const a = 1 } declare global { interface W { x: 1 } }",
        "const a = <T,>(x: T) => x satisfies T, b = <number>(1 as unknown), c = f<string[]>;",
        "let type = 1, of = 2, as = 3, module = 4, get = 5, infer = 6, async = 7, using = 8;",
        "const r = /[/]\\/(?<a>x)/dgimsuy, s = /[\\p{L}--[a-z]]/v, n = 1_000n; a ??= 1; a >>>= 1;",
        "for await (const x of []) { label: { break label } }\nlet x = 1\n++x\n;[1].map(String)",
        "interface F {\n  a(): A<1>\n  // and\n  <T>(x: T): A<T>\n  in: 1\n}",
        "type F = abstract new () => void; type I<T> = T extends (infer V extends string)[] ? V : never;",
    ],
)
@pytest.mark.parametrize("main", ["export function main() {}", "const f = () => 1; export { f as main };"])
def test_what_the_language_has_is_not_refused(code: str, main: str) -> None:
    assert infer(f"{code}\n{main}").input_schema is not None or infer(f"{code}\n{main}") == NONE


@pytest.mark.parametrize(
    "code",
    [
        'export * from "./other.ts";',
        'export * as main from "./other.ts";',
        "export const { main } = { main() {} };",
        "export let main: unknown = 1, other = 2;",
        'function f() {}\nexport { f as "main" };',
        "export async function* main() {}",
        "import main = N.f;\nexport { main };",
    ],
)
def test_what_may_export_a_main_is_not_refused(code: str) -> None:
    infer(code)


def test_types_that_unfold_into_very_much_are_anything() -> None:
    levels = "".join(f"type T{n} = [{f'T{n - 1},' * 30}];\n" for n in range(1, 10))

    assert infer(f"type T0 = string;\n{levels}export function main(i: {{ a: T9 }}) {{}}") == NONE


@given(st.text(max_size=60))
def test_no_text_brings_it_down(text: str) -> None:
    for code in (text, f"export function main(inputs: {{ a: {text} }}): {text} {{}}", f"{DECLARED}{text}"):
        try:
            found = infer(code)
        except ScriptError:
            continue
        if found.input_schema is not None:
            assert schemas.problems(found.input_schema) == []
