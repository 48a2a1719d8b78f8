"""Fuzzed requests against a real service on a real Redis: never a 500, never a hang, always JSON, and no other client disturbed."""

import asyncio
import json
import logging

import pytest

from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.tokens import create_token
from tests.fuzz import http
from tests.support.constants import ORG, SECRET
from tests.support.events import PAGES, view
from tests.support.pipeline import pipeline
from tests.support.processes.service import application, served
from tests.support.redis.users import as_user


@pytest.mark.holds("6.10")
@pytest.mark.parametrize(
    ("inputs", "seconds"),
    [(2_500, 8.0), pytest.param(100_000, 300.0, marks=[pytest.mark.long, pytest.mark.timeout(400)])],
)
async def test_no_request_breaks_the_service(
    redis_url: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, inputs: int, seconds: float
) -> None:
    """And when all is over it answers as before, with no connection or task left and no bug in its log."""
    seed = request.config.option.hypothesis_seed
    caplog.set_level(logging.WARNING)
    async with pipeline(redis_url, partitions=2) as pipe:
        now = await pipe.now()
        # The organization is its own workflow too, so that a request with the one id for both finds something.
        await pipe.apply(view(now, workflow=ORG), view(now, workflow=PAGES))
        token, _ = await create_token(pipe.client, ORG, ["reports", "ingest"])
        settings = Settings(secret=SECRET, backlog_limit=10**9)
        app = application(as_user("service", pipe.client), Installation(2), settings)
        async with served(app) as base:
            port = int(base.rpartition(":")[2])
            reply = await http.answer_to(port, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert reply is not None
            document = json.loads(reply.body)
            tasks = len(asyncio.all_tasks())
            assert await http.run(port, token, document, seed=seed, inputs=inputs, seconds=seconds) > 100
            async with asyncio.timeout(10):
                while len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110 - connections end by themselves
                    await asyncio.sleep(0.05)
            after = await http.answer_to(port, b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert after is not None
            assert after.status == 200
        # Accepted events are applied or dead letters, and no other event is lost for them.
        await pipe.apply(view(await pipe.now(), "another", workflow=PAGES))
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
