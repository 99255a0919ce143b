"""Profiling Lambda: asked for before it costs, measured through boto3 and the runtime client, removed after."""

from __future__ import annotations

import asyncio
import json
import tomllib

import pytest

from cloud.planner import read_platform
from tests.cloud.aws.conftest import Account, account, server, wheels
from tests.support.lambda_emulator import paper_delays_ms

__all__ = ["account", "server", "wheels"]

WORDS = ("profile", "--engine", "lambda", "--area", "0.8", "--samples", "10", "--workers", "2", "--precision",
         "float64", "--idle", "0.1", "--memory-mb", "512", "--json")  # fmt: skip


async def test_lambda_is_measured_and_nothing_is_left(account: Account) -> None:
    deployed = await asyncio.to_thread(account.deploy, account.plan())  # brings the worker's code to the emulator
    account.unpack(deployed["bucket"])
    account.emulator.delays_ms = paper_delays_ms(1)
    target = account.folder / "mine.toml"
    words = (*WORDS, "--wheels", str(account.wheels), "-o", str(target))

    asked = await asyncio.to_thread(account.run, *words)
    assert asked.returncode == 2
    assert "at most" in asked.stderr
    assert "USD" in asked.stderr
    assert not target.exists()

    done = await asyncio.to_thread(account.run, *words, "--yes")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["values"]
    # The emulator adds the paper's delays to what HTTP and the process take.
    assert 10.2 < found["invocation_median_ms"]["value"] < 60.0
    assert found["cold_start_ms"]["value"] > 20.0
    profile = tomllib.loads(target.read_text())
    assert profile["price"] == "lambda-arm64"
    assert profile["product_memory_mb"] == 512
    assert profile["measured"]["usd_at_most"] > 0
    platform, _ = read_platform(str(target))
    assert platform.extra.product[-1].precision == "float64"

    functions = account.amazon.client("lambda").list_functions()["Functions"]
    assert [one for one in functions if "profile" in one["FunctionName"]] == []
    buckets = [one["Name"] for one in account.amazon.client("s3").list_buckets()["Buckets"]]
    assert [one for one in buckets if "profile" in one] == []


def test_no_credentials_is_said_before_anything_is_made(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    done = account.run(*WORDS, "--yes")
    assert done.returncode != 0
    assert "redentials" in done.stderr
