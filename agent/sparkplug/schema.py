"""The messages of Sparkplug B that are used here, as protobuf classes.

The field numbers are those of the Sparkplug specification 3.0.0, chapter 6 (its protobuf schema, proto2); fields
that are not used here are left out, which protobuf allows on both sides. The classes are made from this table when
they are first needed, so that no generated code has to fit the installed protobuf.
"""

from __future__ import annotations

from enum import IntEnum
from functools import cache
from typing import Any, NamedTuple

from cosmic.errors import ConfigurationError


class DataType(IntEnum):
    """Types of metrics, by their Sparkplug numbers."""

    INT64 = 4
    UINT64 = 8
    DOUBLE = 10
    BOOLEAN = 11
    STRING = 12


class _Field(NamedTuple):
    name: str
    number: int
    kind: str
    repeated: bool = False
    one_of: bool = False


_MESSAGES: dict[str, list[_Field]] = {
    "PropertyValue": [
        _Field("type", 1, "uint32"),
        _Field("string_value", 8, "string", one_of=True),
    ],
    "PropertySet": [
        _Field("keys", 1, "string", repeated=True),
        _Field("values", 2, "PropertyValue", repeated=True),
    ],
    "Metric": [
        _Field("name", 1, "string"),
        _Field("alias", 2, "uint64"),
        _Field("timestamp", 3, "uint64"),
        _Field("datatype", 4, "uint32"),
        _Field("is_null", 7, "bool"),
        _Field("properties", 9, "PropertySet"),
        _Field("int_value", 10, "uint32", one_of=True),
        _Field("long_value", 11, "uint64", one_of=True),
        _Field("double_value", 13, "double", one_of=True),
        _Field("boolean_value", 14, "bool", one_of=True),
        _Field("string_value", 15, "string", one_of=True),
    ],
    "Payload": [
        _Field("timestamp", 1, "uint64"),
        _Field("metrics", 2, "Metric", repeated=True),
        _Field("seq", 3, "uint64"),
    ],
}


@cache
def payload_class() -> Any:
    """Return the class of a Sparkplug payload. Raises ConfigurationError where protobuf is not installed."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415  optional
    except ImportError as error:
        raise ConfigurationError(
            "Sparkplug B needs the library protobuf",
            where="mqtt.sparkplug",
            why="it is not installed with the agent alone",
            remedy='pip install "cosmic-lpbf[mqtt]"',
        ) from error
    kinds = descriptor_pb2.FieldDescriptorProto
    package = "cosmic.sparkplug"
    file = descriptor_pb2.FileDescriptorProto(name="cosmic/sparkplug.proto", package=package, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        if any(field.one_of for field in fields):
            message.oneof_decl.add(name="value")
        for field in fields:
            made = message.field.add(
                name=field.name,
                number=field.number,
                label=kinds.LABEL_REPEATED if field.repeated else kinds.LABEL_OPTIONAL,
            )
            if field.kind in _MESSAGES:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".{package}.{field.kind}"
            else:
                made.type = kinds.Type.Value(f"TYPE_{field.kind.upper()}")
            if field.one_of:
                made.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Payload"))
