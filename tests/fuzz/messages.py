"""Messages made by chance from their descriptors: some that keep the contract's rules, some that do not.

What answers hold (ids, names, page tokens, etags) is remembered and used in later requests, so that they reach further
than to a NOT_FOUND.
"""

import math
import random
import uuid
from collections import defaultdict
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from chassis import contracts
from tests.fuzz import documents

_DEEP: Final = 6
_KEPT: Final = 40
_MOST_FIELDS: Final = 1500
_NASTY_TEXT: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "x" * 300,
    "x" * 70_000,
    "\ufeff",
    "\u202e",
    "\U0001f600" * 50,
    "e\u0301" * 100,
    "../../etc/passwd",
    "'; drop table users; --",
    '" or ""="',
    "%s%n%x",
    "${{ 1 + }}",
    "${{ inputs.x[0].y }}",
    "{{{{{{",
    "[" * 5000,
    "null",
    "-1",
    "1e999",
    "NaN",
    "9" * 400,
    "a: &a [*a, *a]",
    "!!python/object:os.system x",
    "name = ",
    'name = "x" AND (created_at > "2020-13-45T99:99:99Z")',
    "NOT NOT NOT name",
    "id desc, id asc, nope",
    "9999-12-31T23:59:59.999999999Z",
    "0000-00-00",
    "P99999999D",
    "* * * * *",
    "@reboot",
    "Europe/Nowhere",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc/passwd",
    "\r\nx-injected: 1",
)
_INTEGERS: Final = (
    0,
    1,
    -1,
    2,
    7,
    100,
    1000,
    2**31 - 1,
    -(2**31),
    2**31,
    2**32 - 1,
    2**53 + 1,
    2**63 - 1,
    -(2**63),
)
_FLOATS: Final = (0.0, -0.0, 1.5, -1.0, 1e308, 5e-324, math.inf, -math.inf, math.nan)
_SECONDS: Final = (0, 1, -1, 60, 253402300799, -62135596800, 2**62, -(2**62))
_NANOS: Final = (0, 1, 999_999_999, -1, 2**31 - 1)


class Maker:
    """Makes messages. The same seed and the same memories give the same ones."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - chance, not secrecy
        self._left = 0
        self.known: dict[str, list[str]] = defaultdict(list)
        self.forbidden: set[str] = set()
        """What no request may name, such as the fuzzer's own account."""

    def request(self, kind: str, part: Any = None) -> bytes:
        """A request of a message type as bytes: polite, partly or wholly nasty, or not even a message.

        With a `part`, a field of its oneof, that one is set.
        """
        nastiness = self.random.choice((0.0, 0.0, 0.05, 0.3, 1.0))
        message: Message = contracts.message_class(kind)()
        self._left = _MOST_FIELDS
        if part is not None:
            self._set(message, part, nastiness, 0)
        else:
            self._fill(message, nastiness, 0)
            self._match(message)
        content = message.SerializeToString()
        return self._damaged(content) if self.random.random() < 0.1 else content

    def _match(self, message: Any) -> None:
        """Gives a new component the type of its config, more often than chance would."""
        if message.DESCRIPTOR.name == "CreateDefinitionRequest" and self._chance(0.9):
            config = message.initial_version.WhichOneof("config")
            if config is not None:
                kinds = message.definition.DESCRIPTOR.enum_types_by_name["Type"].values_by_name
                message.definition.type = kinds[config.upper()].number
                message.ClearField("source")

    def stream(self, kind: str) -> list[bytes]:
        """The requests of a client's stream: by chance, or as the contract wants them: head, parts, end."""
        count = self.random.choice((0, 1, 5))
        shape: Message = contracts.message_class(kind)()
        (parts,) = shape.DESCRIPTOR.oneofs
        if self._chance(0.3):
            return [self.request(kind) for _ in range(1 + count)]
        first, *more = parts.fields
        last = [one for one in more if one.name == "end"]
        middle = [one for one in more if one not in last]
        wanted = [first, *(self.random.choice(middle) for _ in range(count if middle else 0)), *last]
        return [self.request(kind, one) for one in wanted]

    def remember(self, message: Message, depth: int = 0) -> None:
        """Keeps the strings of an answer by their fields' names; an `id` by its message's, too."""
        if depth > _DEEP:
            return
        for field, value in message.ListFields():
            several = value if field.is_repeated else [value]
            if _is_map(field):
                continue
            for one in list(several)[:20]:
                if isinstance(one, str) and 0 < len(one) < 500:
                    self._keep(field.name, one)
                    if field.name == "id":
                        self._keep(f"{_snake(message.DESCRIPTOR.name)}_id", one)
                elif isinstance(one, Message):
                    self.remember(one, depth + 1)

    def _keep(self, name: str, value: str) -> None:
        values = self.known[name]
        if value not in values and value not in self.forbidden:
            values.append(value)
            if len(values) > _KEPT:
                del values[self.random.randrange(_KEPT)]

    def _fill(self, message: Message, nastiness: float, depth: int) -> None:
        descriptor = message.DESCRIPTOR
        match descriptor.full_name:
            case "google.protobuf.Timestamp" | "google.protobuf.Duration":
                nasty = self._chance(nastiness)
                seconds = self.random.choice(_SECONDS) if nasty else self.random.randrange(3600)
                message.seconds = seconds  # type: ignore[attr-defined]  # both have it
                message.nanos = self.random.choice(_NANOS) if nasty else 0  # type: ignore[attr-defined]
                return
        chosen = {one.name: self.random.choice(one.fields) for one in descriptor.oneofs if len(one.fields)}
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is not None and chosen[oneof.name] is not field:
                continue
            likely = 0.9 if _required(field) else 0.5 / (1 + depth / 2)
            if depth < _DEEP and self._left > 0 and self._chance(likely):
                self._set(message, field, nastiness, depth)

    def _set(self, message: Message, field: Any, nastiness: float, depth: int) -> None:
        if _is_map(field):
            self._fill_map(getattr(message, field.name), field, nastiness, depth)
        elif field.is_repeated:
            values = getattr(message, field.name)
            for _ in range(self.random.choice((1, 1, 2, 3, *((200,) if self._chance(nastiness) else ())))):
                if field.message_type is not None:
                    self._left -= 1
                    self._fill(values.add(), nastiness, depth + 1)
                else:
                    values.append(self._scalar(field, nastiness))
        elif field.message_type is not None:
            inner = getattr(message, field.name)
            inner.SetInParent()
            self._fill(inner, nastiness, depth + 1)
        else:
            setattr(message, field.name, self._scalar(field, nastiness))

    def _fill_map(self, values: Any, field: Any, nastiness: float, depth: int) -> None:
        key, value = (field.message_type.fields_by_name[part] for part in ("key", "value"))
        for _ in range(self.random.choice((1, 2))):
            name = self._scalar(key, nastiness)
            if value.message_type is not None:
                self._fill(values[name], nastiness, depth + 1)
            else:
                values[name] = self._scalar(value, nastiness)

    def _scalar(self, field: Any, nastiness: float) -> Any:
        nasty = self._chance(nastiness)
        self._left -= 1
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                return self.random.randbytes(self.random.choice((0, 1, 20, 70_000 if nasty else 20)))
            case FieldDescriptor.CPPTYPE_STRING:
                return self._nasty_text() if nasty else self._text(field)
            case FieldDescriptor.CPPTYPE_BOOL:
                return self.random.random() < 0.3
            case FieldDescriptor.CPPTYPE_ENUM:
                numbers = [value.number for value in field.enum_type.values]
                return self.random.choice((2**31 - 1, -1, 77)) if nasty else self.random.choice(numbers)
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return self.random.choice(_FLOATS) if nasty else self.random.random() * 10
            case _:
                least, most = _BOUNDS[field.cpp_type]
                fitting = [number for number in _INTEGERS if least <= number <= most]
                return self.random.choice(fitting) if nasty else self.random.choice((0, 1, 2, 5, 50))

    def _nasty_text(self) -> str:
        if self.random.random() < 0.2:
            letters = [chr(self.random.choice((self.random.randrange(1, 0x250), 0x1F600))) for _ in range(12)]
            return "".join(letters)
        return self.random.choice(_NASTY_TEXT)

    def _text(self, field: Any) -> str:
        """A word that the field may well take: one the suite has said under this name, or one of its form."""
        if field.name in documents.NAMES and self._chance(0.8):
            return documents.make(self.random, field.name, self._known)
        known = self.known.get(field.name) or self.known.get(_singular(field.name)) or []
        if known and self.random.random() < 0.8:
            return self.random.choice(known)
        rules = _rules(field).string
        if choices := [word for word in getattr(rules, "in") if word]:
            return str(self.random.choice(choices))
        number = self.random.randrange(1000)
        plain = {
            "email": f"fuzz{number}@example.com",
            "version": f"1.{number}.0",
            "password": "a long enough password",
            "cron": "*/5 * * * *",
            "time_zone": "Europe/Berlin",
            "sql": "select 1",
            "filter": "",
            "order_by": "",
            "page_token": "",
            "update_mask": "",
            "request_id": str(uuid.UUID(int=self.random.getrandbits(128), version=4)),
            "host": "127.0.0.1",
        }
        if field.name in plain:
            return plain[field.name]
        if rules.uuid or field.name.endswith("_id"):
            return str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        return f"fuzz-{number}"

    def _known(self, name: str) -> str:
        return self.random.choice(self.known.get(name) or ["fuzz-1"])

    def _damaged(self, content: bytes) -> bytes:
        broken = bytearray(content or b"\n")
        for _ in range(self.random.choice((1, 2, 8))):
            at = self.random.randrange(len(broken))
            match self.random.randrange(3):
                case 0:
                    broken[at] = self.random.randrange(256)
                case 1:
                    broken[at:at] = self.random.randbytes(3)
                case _:
                    del broken[at:]
                    broken += b"\n"
        return bytes(broken)

    def _chance(self, share: float) -> bool:
        return self.random.random() < share


_BOUNDS: Final = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}


def _rules(field: Any) -> Any:
    """The field's `buf.validate` rules."""
    options: Any = field.GetOptions()
    return options.Extensions[validate_pb2.field]


def _required(field: Any) -> bool:
    rules = _rules(field)
    return bool(rules.required or rules.string.min_len or rules.string.pattern or rules.string.uuid)


def _is_map(field: Any) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _singular(name: str) -> str:
    return name.removesuffix("s")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")
