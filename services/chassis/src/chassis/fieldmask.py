"""Update masks (AIP-134): which fields of a resource an update changes."""

from collections.abc import Collection

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from chassis.errors import FieldViolation, Invalid


def paths(mask: FieldMask | None, message: Message, known: Collection[str]) -> tuple[str, ...]:
    """The fields of `message` to change, sorted.

    An absent or empty mask means every known field that is present in the message; `*` means every known
    field. A path below a known field means that field (`definition.tags.0` is `tags`' business). Raises
    Invalid INVALID_UPDATE_MASK for a path that is not in `known`.
    """
    given = list(mask.paths) if mask is not None else []
    if not given:
        present = {field.name for field, _ in message.ListFields()}
        return tuple(sorted(name for name in known if name in present))
    if "*" in given:
        return tuple(sorted(known))
    unknown = [path for path in given if _top(path, known) is None]
    if unknown:
        why = f"unknown or unchangeable: {', '.join(unknown)}; known: {', '.join(sorted(known))}"
        raise Invalid(
            "INVALID_UPDATE_MASK", f"update_mask: {why}", fields=[FieldViolation("update_mask", why)]
        )
    return tuple(sorted({top for path in given if (top := _top(path, known)) is not None}))


def _top(path: str, known: Collection[str]) -> str | None:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in path)
    for candidate in (snake, snake.partition(".")[0]):
        if candidate in known:
            return candidate
    return None
