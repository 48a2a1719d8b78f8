"""Refusals of a proxy, and the facts about clients that it passes on."""

import json
from urllib.parse import urlencode

import pytest

from tests.support.events import as_array, view
from tests.support.proxies.front import Front, ask, ingest, interval, now, report
from tests.support.proxies.programs import wait_for

pytestmark = pytest.mark.undeployed("`sidedata up` brings a Redis of its own")

MEBIBYTE = 1 << 20


async def test_an_upload_of_10_mib_is_taken_and_not_a_byte_more(front: Front, organization: str) -> None:
    """10 MiB of events are accepted; one byte more is 413, as JSON, from either of the two."""
    body = as_array([view(now(), f"{n}", organization_id=organization) for n in range(10_000)])
    body = body.ljust(10 * MEBIBYTE)
    assert (await ask(front, ingest(organization), body=body)).json == {"accepted": 10_000}
    refused = await ask(front, ingest(organization), body=body + b" ")
    assert (refused.status, refused.json["status"]) == (413, 413)


async def test_a_question_has_64_kib(front: Front, organization: str) -> None:
    """The largest question is read; one byte more is 413."""
    question = json.dumps({"interval": interval()}).encode()
    for size, status in ((64 * 1024, 404), (64 * 1024 + 1, 413)):
        answer = await ask(front, report(organization), body=question.ljust(size))
        assert (answer.status, answer.json["status"]) == (status, status)


async def test_only_what_is_for_the_world_is_served(front: Front) -> None:
    """Metrics and checks stay inside; pages and the API's description are there."""
    for path in ("/metrics", "/livez", "/readyz", "/elsewhere", "/api/../metrics"):
        answer = await ask(front, path, "--path-as-is")
        assert (answer.status, answer.json["status"]) == (404, 404), path
    for path in ("/dashboard/", "/docs/", "/openapi.json"):
        assert (await ask(front, path)).status == 200, path


async def test_the_client_s_address_is_believed_and_a_forged_one_is_not(front: Front, organization: str) -> None:
    """The service logs the address that the proxy saw; neither log holds the token or the query."""
    options = ("--interface", "127.0.0.2", "--header", "X-Forwarded-For: 203.0.113.9")
    answer = await ask(front, f"{report(organization)}?{urlencode(interval())}", *options)
    assert answer.status == 404
    for log in (front.log, front.service.log):
        wait_for(lambda log=log: "127.0.0.2" in log.read_text(encoding="utf-8"), "the address is logged", log)  # type: ignore[misc]
        text = log.read_text(encoding="utf-8")
        assert front.service.token not in text
        assert "203.0.113.9" not in text
        assert "start=" not in text
