"""What a caller sends is bounded, whatever it is: every text, list and map of every request.

Not looked at are the methods that only the suite's own services and workers call, whose messages are bounded as a
whole, and what the server writes and does not read.
"""

import re
from collections.abc import Iterator

from google.protobuf import descriptor_pb2

from buf.validate import validate_pb2
from chassis import contracts
from tests.contracts import walk

Field = descriptor_pb2.FieldDescriptorProto
FORMATS = ("uuid", "tuuid", "email", "hostname", "ip", "ipv4", "ipv6")
"""What has a length by its form."""


def unbounded(name: str, above: tuple[str, ...] = ()) -> Iterator[str]:
    """The fields of a message, and of those inside it, that may be as large as a message may be."""
    message = walk.messages()[name]
    maps = {f"{name}.{one.name}": one for one in message.nested_type if one.options.map_entry}
    for field in message.field:
        path = f"{name}.{field.name}"
        if "utput only" in contracts.comments()[path]:
            continue
        options = field.options
        rules: validate_pb2.FieldRules = options.Extensions[validate_pb2.field]  # type: ignore[index]  # as in walk
        kind = field.type_name.removeprefix(".")
        if kind in maps:
            if not rules.map.HasField("max_pairs"):
                yield f"{path}: max_pairs"
            key, value = maps[kind].field
            yield from _of_one(f"{path} keys", key, rules.map.keys, above)
            yield from _of_one(f"{path} values", value, rules.map.values, above)
            continue
        if field.label == Field.LABEL_REPEATED:
            if not rules.repeated.HasField("max_items"):
                yield f"{path}: max_items"
            rules = rules.repeated.items
        yield from _of_one(path, field, rules, above)


def _of_one(path: str, field: Field, rules: validate_pb2.FieldRules, above: tuple[str, ...]) -> Iterator[str]:
    kind = field.type_name.removeprefix(".")
    if field.type == Field.TYPE_STRING and not _is_short(rules.string):
        yield f"{path}: max_len"
    if field.type == Field.TYPE_BYTES and not (
        rules.bytes.HasField("max_len") or rules.bytes.HasField("len")
    ):
        yield f"{path}: max_len"
    if field.type == Field.TYPE_MESSAGE and kind.startswith("mcpanel.") and kind not in above:
        yield from unbounded(kind, (*above, kind))


def _is_short(rules: validate_pb2.StringRules) -> bool:
    limited = any(rules.HasField(name) for name in ("max_len", "max_bytes", "len", "len_bytes", "const"))
    pattern = re.sub(r"\[[^]]*\]", "", rules.pattern)
    if pattern.startswith("^") and pattern.endswith("$") and not re.search(r"[*+]|,\}", pattern):
        return True
    return limited or len(getattr(rules, "in")) > 0 or any(getattr(rules, name) for name in FORMATS)


def test_every_text_list_and_map_of_a_request_has_a_bound() -> None:
    requests = [rpc.method.input_type.removeprefix(".") for rpc in walk.rpcs() if not rpc.internal]
    found = {one for request in requests for one in unbounded(request)}

    assert sorted(found) == []
