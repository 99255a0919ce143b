"""One edge node's session at a broker: which payload follows which, with their sequence numbers. Pure.

Source: Eclipse Sparkplug Specification 3.0.0, chapters 5 and 6: `bdSeq` ties a birth to the death certificate of
the same connection and grows with every connection; `seq` is 0 in NBIRTH and grows by one with every message; both
go modulo 256.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.sparkplug.metrics import METRICS, Metric, Reading
from agent.sparkplug.schema import DataType, payload_class
from cosmic import __version__

MODULUS = 256
REBIRTH = "Node Control/Rebirth"
BD_SEQ = "bdSeq"

_FIELDS = {
    DataType.INT64: "long_value",
    DataType.UINT64: "long_value",
    DataType.DOUBLE: "double_value",
    DataType.BOOLEAN: "boolean_value",
    DataType.STRING: "string_value",
}


class Session:
    """Makes the payloads of an edge node with one device, the printer."""

    def __init__(self) -> None:
        """Begin before the first connection."""
        self._payload = payload_class()
        self._bd_seq = MODULUS - 1
        self._seq = 0
        self._told: list[Reading] = []

    def death_of_next(self) -> bytes:
        """Return the death certificate (NDEATH) of the connection that is made now: the will to connect with."""
        self._bd_seq = (self._bd_seq + 1) % MODULUS
        return self.death(0)

    def death(self, time_ms: int) -> bytes:
        """Return the death certificate of this connection. time_ms: Unix time, 0 to leave it out."""
        payload = self._payload()
        if time_ms:
            payload.timestamp = time_ms
        _add(payload, BD_SEQ, DataType.INT64, self._bd_seq, time_ms)
        return bytes(payload.SerializeToString())

    def node_birth(self, time_ms: int) -> bytes:
        """Return the birth certificate of the node (NBIRTH); its sequence begins anew."""
        self._seq = 0
        payload = self._payload(timestamp=time_ms, seq=self._seq)
        _add(payload, BD_SEQ, DataType.INT64, self._bd_seq, time_ms)
        _add(payload, REBIRTH, DataType.BOOLEAN, value=False, time_ms=time_ms)
        _add(payload, "Properties/Software Version", DataType.STRING, __version__, time_ms)
        return bytes(payload.SerializeToString())

    def device_birth(self, time_ms: int, values: Sequence[Reading]) -> bytes:
        """Return the printer's birth certificate (DBIRTH): every metric with name, alias, type, unit, value."""
        payload = self._next(time_ms)
        for alias, (metric, value) in enumerate(zip(METRICS, values, strict=True), start=1):
            added = _add(payload, metric.name, metric.kind, value, time_ms)
            added.alias = alias
            _explain(added, metric)
        self._told = list(values)
        return bytes(payload.SerializeToString())

    def data(self, time_ms: int, values: Sequence[Reading]) -> bytes | None:
        """Return what changed since birth or the last data (DDATA), by alias; None where nothing did."""
        changed = [place for place, value in enumerate(values) if value != self._told[place]]
        if not changed:
            return None
        payload = self._next(time_ms)
        for place in changed:
            _add(payload, "", METRICS[place].kind, values[place], time_ms).alias = place + 1
        self._told = list(values)
        return bytes(payload.SerializeToString())

    def asks_for_rebirth(self, command: bytes) -> bool:
        """Return whether a command to the node (NCMD) asks for birth certificates; False for what is no payload."""
        payload = self._payload()
        try:
            payload.ParseFromString(command)
        except Exception:  # noqa: BLE001  protobuf's own error has no common class across its implementations
            return False
        return any(metric.name == REBIRTH and metric.boolean_value for metric in payload.metrics)

    def _next(self, time_ms: int) -> Any:
        self._seq = (self._seq + 1) % MODULUS
        return self._payload(timestamp=time_ms, seq=self._seq)


def _add(payload: Any, name: str, kind: DataType, value: Reading, time_ms: int) -> Any:
    """Add a metric to `payload` and return it. An empty name is left out: data goes by alias."""
    metric = payload.metrics.add(datatype=int(kind))
    if name:
        metric.name = name
    if time_ms:
        metric.timestamp = time_ms
    if value is None:
        metric.is_null = True
    else:
        setattr(metric, _FIELDS[kind], value)
    return metric


def _explain(added: Any, metric: Metric) -> None:
    """Give the metric its unit, under the key that hosts look for."""
    if metric.unit:
        added.properties.keys.append("engUnit")
        added.properties.values.add(type=int(DataType.STRING), string_value=metric.unit)
