"""A small catalogue, and documents checked against it without a server."""

from registry import document, drafts, validation
from registry.domain.content import Content, Input, Pin, Step, WorkflowPin
from registry.domain.problems import Problem
from registry.nesting import Callee
from registry.resolution import Candidate, Component
from registry.validation import Catalog, Interface

EXTRACT = Interface(
    {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer", "minimum": 1},
            "mode": {"enum": ["fast", "slow"]},
            "options": {
                "type": "object",
                "properties": {"deep": {"type": "boolean"}},
                "required": ["deep"],
                "additionalProperties": False,
            },
            "many": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["city"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {
            "rows": {"type": "array", "items": {"type": "object", "properties": {"day": {}}}},
            "n": {"type": "integer"},
        },
    },
)
TREE = Interface(
    None,
    {
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "weight": {"$ref": "#/$defs/weight"}},
        "$defs": {"weight": {"type": "integer"}},
    },
)
LOOSE = Interface()
EFFECTFUL = Interface({"type": "object", "properties": {"to": {"type": "string"}}}, None, "effectful")
CODE = Pin("e2", "1.2.0", "PYTHON_SCRIPT", "d1")
LOST = Pin("x1", "1.0.0", "PYTHON_SCRIPT", "d9")


def nest(depth: int) -> dict[WorkflowPin | str, Content]:
    """Workflows that each run the one below: `n0` runs none, `n<depth>` holds `depth` of them."""
    found: dict[WorkflowPin | str, Content] = {
        WorkflowPin("n0", 1): Content(steps=(Step("a", "extract", pin=CODE),))
    }
    for level in range(1, depth + 1):
        inner = Step("in", workflow=f"n{level - 1}", workflow_pin=WorkflowPin(f"n{level - 1}", 1))
        found[WorkflowPin(f"n{level}", 1)] = Content(steps=(inner,))
    return found


def many(count: int) -> Content:
    """A workflow of as many steps."""
    return Content(steps=tuple(Step(f"s{number}", "extract", pin=CODE) for number in range(count)))


REPORT = Content(
    inputs={"city": Input("string"), "days": Input("integer", 1), "any": Input("", None)},
    steps=(Step("a", "extract", pin=CODE),),
    outputs={"text": "x", "rows": [1]},
)
NESTED: dict[WorkflowPin | str, Content] = {
    **{WorkflowPin("w1", version): REPORT for version in (1, 2, 3)},
    **nest(6),
    WorkflowPin("w2", 1): Content(steps=(Step("b", "lost@1", pin=LOST),)),
    WorkflowPin("w3", 1): Content(steps=(Step("c", workflow="gone", workflow_pin=WorkflowPin("w9", 1)),)),
    WorkflowPin("w4", 1): many(100),
    WorkflowPin("w5", 1): Content(steps=(Step("d", workflow="lossy", workflow_pin=WorkflowPin("w2", 1)),)),
}
CALLEES = [
    Callee("w1", "report", 3),
    *(Callee(f"n{level}", f"nest{level}", 1) for level in range(7)),
    Callee("w2", "lossy", 1),
    Callee("w3", "hollow", 1),
    Callee("w4", "crowd", 1),
    Callee("w5", "outer", 1),
]
CATALOG = Catalog(
    components={
        "extract": Component(
            "d1", "extract", "PYTHON_SCRIPT", (Candidate("e1", "1.0.0"), Candidate("e2", "1.2.0"))
        ),
        "loose": Component("d2", "loose", "TYPESCRIPT_SCRIPT", (Candidate("l1", "1.0.0"),)),
        "mail": Component("d3", "mail", "PYTHON_SCRIPT", (Candidate("m1", "1.0.0"),)),
        "sum": Component("d4", "sum", "UTILITY", (Candidate("s1", "1.0.0"),)),
        "tree": Component("d5", "tree", "PYTHON_SCRIPT", (Candidate("t1", "1.0.0"),)),
    },
    callees={one.name: one for one in CALLEES},
    interfaces={"e1": EXTRACT, "e2": EXTRACT, "l1": LOOSE, "m1": EFFECTFUL, "s1": LOOSE, "t1": TREE},
    nested=NESTED,
    gone=frozenset({"d9"}),
    component_names=("extract", "loose", "mail", "sum", "tree"),
    workflow_names=tuple(one.name for one in CALLEES),
)


def pinned(content: Content) -> Content:
    """The content with what it runs, of this catalogue."""
    return validation.pinned(content, CATALOG.components, CATALOG.callees)


def problems(source: str) -> list[Problem]:
    """The problems of a document, with their places."""
    parsed = document.parse(source)
    found = validation.check(pinned(parsed.draft.content), CATALOG, parsed.draft.name)
    return drafts.flaws(drafts.Sent(parsed.draft, parsed), found)


def workflow(
    steps: str, inputs: str = "city: {type: string}\n  n: {type: integer}\n  any: {}", outputs: str = "{}"
) -> str:
    """A document around steps."""
    return f"name: flow\ninputs:\n  {inputs}\noutputs: {outputs}\nsteps:\n{steps}"


FINE = "  - {id: a, component: extract@1, with: {city: x}}\n"
