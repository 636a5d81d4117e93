"""JSON Schemas (2020-12) of contract messages, with their comments and validation rules.

What a form needs to be drawn and what the OpenAPI document is made of; derived from the descriptors alone.
"""

from collections.abc import Callable
from typing import Any, Final

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from buf.validate import validate_pb2
from chassis import contracts

Schema = dict[str, Any]
Refer = Callable[[Descriptor | EnumDescriptor], Schema]

_SCALARS: Final[dict[int, Schema]] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "format": "uint32"},
    FieldDescriptor.TYPE_INT64: {"type": "string", "format": "int64"},
    FieldDescriptor.TYPE_UINT64: {"type": "string", "format": "uint64"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "format": "byte"},
}
_WELL_KNOWN: Final[dict[str, Schema]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.ListValue": {"type": "array", "items": {}},
    "google.protobuf.Value": {},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}


def message(name: str) -> Schema:
    """The schema of the message `name`, everything it refers to beside it in `$defs`.

    Raises KeyError when there is no such message.
    """
    defs: dict[str, Schema] = {}

    def refer(target: Descriptor | EnumDescriptor) -> Schema:
        key = target.full_name
        if key not in defs:
            defs[key] = {}
            defs[key] = of(target, refer)
        return {"$ref": f"#/$defs/{key}"}

    schema = of(contracts.pool().FindMessageTypeByName(name), refer)
    return schema | {"$defs": defs} if defs else schema


def of(target: Descriptor | EnumDescriptor, refer: Refer) -> Schema:
    """The schema of a message or an enum itself; `refer` answers for every other one it mentions."""
    schema: Schema
    if isinstance(target, EnumDescriptor):
        schema = {"type": "string", "enum": [value.name for value in target.values]}
    else:
        fields = target.fields
        schema = {
            "type": "object",
            "properties": {field.json_name: field_schema(field, refer) for field in fields},
            "additionalProperties": False,
        }
        if required := [field.json_name for field in fields if _is_required(field)]:
            schema["required"] = required
    return _described(schema, target.full_name)


def field_schema(field: FieldDescriptor, refer: Refer) -> Schema:
    """The schema of one field, with its comment and its rules."""
    rules = _rules(field)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        schema: Schema = {
            "type": "object",
            "additionalProperties": _value(field.message_type.fields_by_name["value"], refer),
        }
        if rules.map.HasField("max_pairs"):
            schema["maxProperties"] = rules.map.max_pairs
    elif field.is_repeated:
        items = _value(field, refer)
        schema = {"type": "array", "items": items | _bounds(rules.repeated.items)}
        for rule, key in (("min_items", "minItems"), ("max_items", "maxItems")):
            if rules.repeated.HasField(rule):
                schema[key] = getattr(rules.repeated, rule)
    else:
        schema = _value(field, refer) | _bounds(rules)
    return _described(schema, field.full_name)


def _value(field: FieldDescriptor, refer: Refer) -> Schema:
    if field.enum_type is not None:
        return refer(field.enum_type)
    if field.message_type is not None:
        known = _WELL_KNOWN.get(field.message_type.full_name)
        return dict(known) if known is not None else refer(field.message_type)
    return dict(_SCALARS[field.type])


def _rules(field: FieldDescriptor) -> validate_pb2.FieldRules:
    """The field's `buf.validate` rules. The pool's options may be of another class than ours: read them again."""
    content = field.GetOptions().SerializeToString()
    extensions: Any = descriptor_pb2.FieldOptions.FromString(content).Extensions
    rules: validate_pb2.FieldRules = extensions[validate_pb2.field]
    return rules


def _bounds(rules: validate_pb2.FieldRules) -> Schema:
    kind = rules.WhichOneof("type")
    if kind == "string":
        return _string_bounds(rules.string)
    if kind in ("int32", "int64", "uint32", "uint64", "double", "float"):
        number = getattr(rules, kind)
        pairs = (
            ("gte", "minimum"),
            ("gt", "exclusiveMinimum"),
            ("lte", "maximum"),
            ("lt", "exclusiveMaximum"),
        )
        return {key: getattr(number, rule) for rule, key in pairs if number.HasField(rule)}
    return {}


def _string_bounds(rules: validate_pb2.StringRules) -> Schema:
    schema: Schema = {}
    for rule, key in (("min_len", "minLength"), ("max_len", "maxLength"), ("pattern", "pattern")):
        if rules.HasField(rule):
            schema[key] = getattr(rules, rule)
    if words := list(getattr(rules, "in")):
        schema["enum"] = words
    for rule, format_name in (("uuid", "uuid"), ("email", "email"), ("uri", "uri")):
        if rules.WhichOneof("well_known") == rule:
            schema["format"] = format_name
    return schema


def _is_required(field: FieldDescriptor) -> bool:
    """Whether a message without this field is refused: it is `required`, or its empty value breaks a rule."""
    rules = _rules(field)
    if rules.required:
        return True
    if rules.ignore == validate_pb2.IGNORE_IF_ZERO_VALUE or field.has_presence:
        return False
    if field.is_repeated:
        return bool(rules.repeated.min_items)
    text = rules.string
    return bool(text.min_len) or bool(list(getattr(text, "in")) and "" not in getattr(text, "in"))


def _described(schema: Schema, name: str) -> Schema:
    comment = contracts.comments().get(name)
    return schema | {"description": comment} if comment else schema
