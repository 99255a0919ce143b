"""The printer as a Sparkplug device on a real broker, read by a decoder that is not ours."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest

from agent.configuration import Mqtt
from agent.sparkplug import SparkplugNode
from agent.sparkplug.schema import payload_class
from agent.status import Status, WorkersStatus
from agent.tally import Tally
from cosmic import __version__
from tests.agent.mqtt.broker import WAIT_S, Broker
from tests.agent.sparkplug.decoder import available, by_name, decode

pytestmark = pytest.mark.skipif(not available(), reason="protoc is not here: apt-get install protobuf-compiler")

TOPIC = "spBv1.0/hall/{}/m1"


def settings(broker: Broker, **more: Any) -> Mqtt:
    given = {
        "host": "127.0.0.1",
        "port": broker.port,
        "site": "hall",
        "interval_s": 0.0,
        "answer_s": 0.5,
        "keepalive_s": 1,
        "backoff_min_s": 0.02,
        "backoff_max_s": 0.1,
        "sparkplug": True,
    }
    return Mqtt(**{**given, **more})


class Host:
    """A Sparkplug host application: hears all of a group, in order."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client

    async def hear(self, kind: str = "") -> tuple[str, dict[str, Any]]:
        """Return the next message (of `kind`): its kind and its payload."""
        async with asyncio.timeout(WAIT_S):
            async for message in self._client.messages:
                said = str(message.topic).split("/")[2]
                assert isinstance(message.payload, bytes)
                assert not message.retain, "nothing of Sparkplug's is retained but a host's state"
                if said != "NCMD" and kind in ("", said):
                    return said, decode(message.payload)
        raise AssertionError("messages do not end")

    async def command(self, payload: bytes) -> None:
        await self._client.publish(TOPIC.format("NCMD"), payload, qos=1)


def rebirth() -> bytes:
    command = payload_class()()
    command.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    return bytes(command.SerializeToString())


@asynccontextmanager
async def host(broker: Broker) -> AsyncIterator[Host]:
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        await client.subscribe("spBv1.0/hall/#", qos=1)
        yield Host(client)


async def test_births_name_every_metric_with_its_type_value_and_unit(broker: Broker) -> None:
    broker.start()
    status = Status("job-1")
    status.coordinator_configured()
    status.link_up("inline")
    status.job_started("gear", "d" * 64, 3)
    status.layer_done(0, Tally(windows=36, slack_s_min=0.004), starved_ms=1.5, map_from="camera")
    async with host(broker) as plant, SparkplugNode(settings(broker), "m1", status):
        kind, node = await plant.hear()
        assert (kind, node["seq"]) == ("NBIRTH", 0)
        told = by_name(node)
        assert (told["bdSeq"]["datatype"], told["bdSeq"]["long"]) == (4, 0)
        assert told["Node Control/Rebirth"]["datatype"] == 11
        assert told["Properties/Software Version"]["string"] == __version__
        kind, device = await plant.hear()
        assert (kind, device["seq"]) == ("DBIRTH", 1)
        told = by_name(device)
        assert sorted(metric["alias"] for metric in told.values()) == list(range(1, len(told) + 1))
        assert told["Job/Part"]["string"] == "gear"
        assert told["Layer/Windows"]["long"] == 36
        assert told["Layer/Slack Minimum"]["double"] == 4.0
        assert told["Layer/Slack Minimum"]["properties"] == {
            "keys": ["engUnit"],
            "values": [{"type": 12, "string": "ms"}],
        }
        assert told["Workers/Total"]["is_null"], "what is not known is said to be null, never 0"
        assert "long" not in told["Workers/Total"]


async def test_data_comes_by_change_and_alias_with_the_next_sequence_number(broker: Broker) -> None:
    broker.start()
    status = Status("job-1")
    async with host(broker) as plant, SparkplugNode(settings(broker), "m1", status):
        _, born = await plant.hear("DBIRTH")
        alias = {name: metric["alias"] for name, metric in by_name(born).items()}
        status.workers_warm(WorkersStatus(0, 8, 1, 2))
        _, data = await plant.hear("DDATA")
        assert data["seq"] == 2
        assert {metric["alias"]: metric["long"] for metric in data["metrics"]} == {
            alias["Workers/Total"]: 8,
            alias["Workers/Cold"]: 1,
            alias["Workers/Reloaded"]: 2,
        }
        assert all("name" not in metric for metric in data["metrics"])
        status.workers_warm(WorkersStatus(1, 8, 0, 2))
        _, data = await plant.hear("DDATA")
        assert (data["seq"], [metric["alias"] for metric in data["metrics"]]) == (3, [alias["Workers/Cold"]])


async def test_a_host_that_missed_something_is_given_everything_again(broker: Broker) -> None:
    broker.start()
    async with host(broker) as plant, SparkplugNode(settings(broker), "m1", Status()):
        _, first = await plant.hear("NBIRTH")
        await plant.hear("DBIRTH")
        await plant.command(b"\xff\xff no payload")
        await plant.command(rebirth())
        _, again = await plant.hear("NBIRTH")
        assert (again["seq"], by_name(again)["bdSeq"]["long"]) == (0, by_name(first)["bdSeq"]["long"])
        assert (await plant.hear())[0] == "DBIRTH"


async def test_leaving_in_order_says_the_last_news_and_then_the_death(broker: Broker) -> None:
    broker.start()
    status = Status("job-1")
    async with host(broker) as plant:
        async with SparkplugNode(settings(broker, interval_s=1000.0), "m1", status):
            await plant.hear("DBIRTH")
            status.coordinator_configured()
            await plant.hear("DDATA")
            status.link_down("lost")
        kind, data = await plant.hear()
        assert (kind, "lost") == ("DDATA", data["metrics"][-1]["string"])
        kind, death = await plant.hear()
        assert (kind, by_name(death)["bdSeq"]["long"]) == ("NDEATH", 0)
        assert "seq" not in death


async def test_after_a_broken_connection_the_death_of_the_old_and_a_birth_with_the_next_number_are_heard(
    broker: Broker,
) -> None:
    broker.start()
    async with host(broker) as plant, SparkplugNode(settings(broker), "m1", Status()):
        await plant.hear("DBIRTH")
        # A client of the same name makes the broker end the node's connection, as a half-open one is ended.
        async with aiomqtt.Client("127.0.0.1", broker.port, identifier="cosmic-sparkplug-hall-m1"):
            _, death = await plant.hear("NDEATH")
        _, birth = await plant.hear("NBIRTH")
        assert by_name(death)["bdSeq"]["long"] < by_name(birth)["bdSeq"]["long"]
        assert birth["seq"] == 0


async def test_a_broker_that_is_killed_and_comes_back_hears_of_what_happened_meanwhile(broker: Broker) -> None:
    broker.start()
    status = Status()
    async with SparkplugNode(settings(broker), "m1", status):
        async with host(broker) as plant:
            await plant.hear("DBIRTH")
        broker.kill()
        status.coordinator_configured()  # news while nobody is there
        broker.start()
        async with host(broker) as plant, asyncio.timeout(WAIT_S):
            heard = asyncio.create_task(plant.hear("DBIRTH"))
            while not heard.done():  # the node may be back before the host, or after it
                await plant.command(rebirth())
                await asyncio.wait({heard}, timeout=0.1)
            assert by_name(heard.result()[1])["Link/State"]["string"] == "down"


async def test_a_broker_that_says_nothing_keeps_nobody(broker: Broker) -> None:
    broker.start()
    async with host(broker) as plant:
        node = SparkplugNode(settings(broker), "m1", Status())
        async with node:
            await plant.hear("DBIRTH")
            broker.signal(signal.SIGSTOP)
        assert node._line.closing
        broker.signal(signal.SIGCONT)
