"""Whether what a step is given and what it answers is what its component's schemas say."""

from collections.abc import Sequence
from typing import IO, Final

from chassis.jsonschema import Mismatch, Schema, aside
from worker.cells.attempt import Failure

_INPUTS: Final = "the inputs"
_OUTPUT: Final = "the output"


async def of_inputs(schema: Schema | None, raw: bytes, large: Sequence[aside.Part]) -> Failure | None:
    """Why inputs (a JSON object, and what is missing in it) are not the component's; None when they are."""
    if schema is None:
        return None
    try:
        if not large and schema.is_cheap(len(raw)):
            found = schema.mismatch(raw)
        else:
            found = await aside.mismatch(schema, raw, large)
    except aside.UndecidedError as error:
        return Failure("INVALID_INPUT", _undecided(_INPUTS, error))
    return None if found is None else Failure("INVALID_INPUT", _of_inputs(found))


async def of_output(schema: Schema | None, raw: bytes) -> Failure | None:
    """Why an output (JSON) is not the component's: INVALID_OUTPUT; None when it is."""
    if schema is None:
        return None
    try:
        found = schema.mismatch(raw) if schema.is_cheap(len(raw)) else await aside.mismatch(schema, raw)
    except aside.UndecidedError as error:
        return Failure("INVALID_OUTPUT", _undecided(_OUTPUT, error))
    return None if found is None else Failure("INVALID_OUTPUT", _of_output(found))


async def of_large_output(schema: Schema | None, file: IO[bytes]) -> str:
    """Why a large output, the JSON of a file, is not the component's; empty when it is."""
    if schema is None:
        return ""
    whole = aside.Part((), file.fileno(), (0, file.seek(0, 2)))
    try:
        found = await aside.mismatch(schema, b"null", [whole])
    except aside.UndecidedError as error:
        return _undecided(_OUTPUT, error)
    return "" if found is None else _of_output(found)


def _of_inputs(found: Mismatch) -> str:
    if not found.path:
        return f"the inputs do not fit the component's input schema: the object {found.why}"
    return f"the input '{found.place.removeprefix('.')}' {found.why}, by the component's input schema"


def _of_output(found: Mismatch) -> str:
    return f"output{found.place} {found.why}, by the component's output schema"


def _undecided(what: str, error: aside.UndecidedError) -> str:
    return f"whether {what} fit the component's schema could not be found out: {error}"
