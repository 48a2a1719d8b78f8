"""/openapi.json against the standard, its own examples, the contract's statuses, and what is really answered."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from sidedata.errors import StoreUnavailableError
from sidedata.service.openapi import examples
from tests.support.constants import ORG
from tests.support.events import PAGES, POPUP, visits
from tests.support.pipeline import Pipeline, pipeline
from tests.support.processes.service import EVENTS, INTERVAL, QUERY, SIDEDATA, WORKFLOWS, World, world
from tests.support.redis.servers import RedisServer

CONTRACT = {"200", "202", "304", "400", "401", "403", "404", "405", "413", "415", "429", "503"}
REPORT = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/{workflow_id}/sidedata/"
LIST = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/"
INGEST = "/api/ingest/v1/orgs/{organization_id}/events"
LIVE = f"{REPORT}live"


async def described(ours: World) -> dict[str, Any]:
    """The document as it is served."""
    document: dict[str, Any] = json.loads((await ours.ask("GET", "/openapi.json", token=None)).body)
    return document


def media(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every body of every operation: where it is, its content type, and what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
            for part, said in bodies.items():
                for kind, about in said.get("content", {}).items():
                    yield f"{method} {path} {part}", kind, about
    for name, said in document["components"]["responses"].items():
        for kind, about in said["content"].items():
            yield name, kind, about


def faults(document: dict[str, Any], schema: dict[str, Any], value: object) -> list[str]:
    """The violations of a schema by a value, formats included."""
    whole = {**schema, "components": document["components"]}
    validator = OAS31Validator(whole, format_checker=oas31_format_checker)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def answer_fits(document: dict[str, Any], method: str, path: str, status: int, body: bytes) -> None:
    """Fail unless the operation's description has that status, and the body is what it says."""
    [(_, about)] = document["paths"][path][method]["responses"][str(status)]["content"].items()
    assert faults(document, about["schema"], json.loads(body)) == []


async def test_the_document_keeps_the_standard() -> None:
    """The validator of OpenAPI 3.1 has nothing to say."""
    async with world() as ours:
        document = await described(ours)
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


async def test_every_body_has_an_example_that_fits() -> None:
    """Requests, answers and refusals; only pages and the document itself go without."""
    async with world() as ours:
        document = await described(ours)
    for where, kind, about in media(document):
        values = (
            [about["example"]] if "example" in about else [one["value"] for one in about.get("examples", {}).values()]
        )
        assert values or kind == "text/html" or "/openapi.json" in where, where
        for value in values:
            assert faults(document, about["schema"], value) == []


async def test_examples_of_lines_fit_too() -> None:
    """Each line of NDJSON is an event, and the data of the stream a report."""
    async with world() as ours:
        document = await described(ours)
    lines = document["paths"][INGEST]["post"]["requestBody"]["content"]["application/x-ndjson"]["example"]
    for line in lines.splitlines():
        assert faults(document, {"$ref": "#/components/schemas/EventBody"}, json.loads(line)) == []
    stream = document["paths"][LIVE]["get"]["responses"]["200"]["content"]["text/event-stream"]["example"]
    data, _ = [line.removeprefix("data: ") for line in stream.splitlines() if line.startswith("data: ")]
    assert faults(document, {"$ref": "#/components/schemas/InteractionReport"}, json.loads(data)) == []


async def test_a_body_of_events_is_an_array_an_object_or_lines() -> None:
    """JSON is an array of events or one event; NDJSON is text."""
    async with world() as ours:
        document = await described(ours)
    content = document["paths"][INGEST]["post"]["requestBody"]["content"]
    one = {"type": "page_view", "visitor_id": "v", "session_id": "s", "workflow_id": PAGES}
    schema = content["application/json"]["schema"]
    for body, fits in ((one, True), ([one, one], True), ([[one]], False), ([{}], False), ({}, False)):
        assert (faults(document, schema, body) == []) == fits
    assert content["application/x-ndjson"]["schema"]["type"] == "string"


async def test_a_wrong_example_would_be_noticed() -> None:
    """A count that is a text, a missing field and an id that is no UUID don't fit."""
    async with world() as ours:
        document = await described(ours)
    sessions = {"unique_visitors_count": "1", "unique_sessions_count": 1, "timeframe_stat": {"hour_in_day": []}}
    wrong: list[tuple[str, object]] = [
        ("PageNavigationReport", sessions),
        ("QueryBody", {"interval": {"start": "2026-11-01"}}),
        ("EventGoal", {"uuid": "no", "name": "n"}),
    ]
    for name, value in wrong:
        assert faults(document, {"$ref": f"#/components/schemas/{name}"}, value)


@pytest.mark.holds("6.2", "6.3", "6.4", "6.5", "6.6", "6.8", "6.9")
async def test_every_status_of_the_contract_is_described() -> None:
    """Each somewhere, those that ask for patience with Retry-After, and each way to send a token."""
    async with world() as ours:
        document = await described(ours)
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    statuses = {status for operation in operations for status in operation["responses"]}
    statuses |= {
        str(said["content"]["application/problem+json"]["example"]["status"])
        for said in document["components"]["responses"].values()
    }
    assert statuses >= CONTRACT
    for operation in operations:
        for status in {"429", "503"} & operation["responses"].keys():
            if "security" in operation:
                assert "Retry-After" in operation["responses"][status]["headers"]
        assert {name for way in operation.get("security", []) for name in way} in (set(), {"token", "bearer"})


async def test_refusals_are_those_described() -> None:
    """Real answers to bad requests have a status of the operation, and a body that fits its schema."""
    async with world(rate_limit=50) as ours:
        document = await described(ours)
        other = await ours.new_token(scopes=("ingest",))
        asked: list[tuple[str, str, str, dict[str, Any]]] = [
            ("post", REPORT, SIDEDATA, {"json": INTERVAL, "token": "sd_none"}),
            ("post", REPORT, SIDEDATA, {"json": INTERVAL, "token": other}),
            ("post", REPORT, SIDEDATA, {"json": {}}),
            ("post", REPORT, SIDEDATA, {"data": b"x" * 70_000, "headers": {"Content-Type": "application/json"}}),
            ("post", REPORT, SIDEDATA, {"data": b"{}", "headers": {"Content-Type": "text/plain"}}),
            ("get", REPORT, f"{SIDEDATA}?start=never", {}),
            ("get", LIVE, f"{SIDEDATA}/live?window=1", {}),
            ("get", LIST, f"{WORKFLOWS}?page=2", {}),
            ("post", INGEST, EVENTS, {"json": [{"type": "page_view"}]}),
            ("post", INGEST, EVENTS, {"data": b"[]", "headers": {"Content-Type": "text/plain"}}),
        ]
        statuses = []
        for method, template, path, arguments in asked:
            heard = await ours.ask(method.upper(), path, **arguments)
            statuses.append(heard.status)
            answer_fits(document, method, template, heard.status, heard.body)
        assert statuses == [401, 403, 400, 413, 415, 400, 400, 400, 400, 415]
        ours.reports.say = StoreUnavailableError("gone")
        heard = await ours.ask("GET", f"{SIDEDATA}?{QUERY}")
        assert heard.status == 503
        answer_fits(document, "get", REPORT, 503, heard.body)
        while heard.status != 429:
            heard = await ours.ask("GET", WORKFLOWS)
        answer_fits(document, "get", LIST, 429, heard.body)


async def test_answers_are_those_described(redis_url: str) -> None:
    """Reports of both kinds, a missing workflow, the list, ingest with and without warnings, and health of a real service fit."""
    async with pipeline(redis_url) as pipe:
        await pipe.workflow(PAGES, "page_navigation")
        now = await pipe.now()
        await pipe.apply([*visits(now, 3), *visits(now - timedelta(days=1), 3)])
        document = json.loads((await _get(pipe, "/openapi.json"))[1])
        interval = {"start": (now - timedelta(days=2)).isoformat(), "end": now.isoformat()}
        nowhere = PAGES[:-12] + "0" * 12
        for workflow, status in ((PAGES, 200), (POPUP, 200), (nowhere, 404)):
            reply = await pipe.ask(workflow, interval["start"], interval["end"])
            assert reply.status == status
            answer_fits(document, "post", REPORT, status, reply.text.encode())
        for template, path in (
            (LIST, f"/api/reporting/workflow/v1/orgs/{ORG}/workflows/"),
            ("/livez", "/livez"),
            ("/readyz", "/readyz"),
        ):
            answer_fits(document, "get", template, *(await _get(pipe, path)))
        for at in (now, now - timedelta(days=500)):
            async with pipe.http.post(
                f"/api/ingest/v1/orgs/{ORG}/events", json=json.loads(visits(at, 1)[0])
            ) as response:
                body = await response.read()
                assert (b"warnings" in body) == (at != now)
                answer_fits(document, "post", INGEST, response.status, body)


async def test_the_example_of_readiness_is_said_by_the_service(private_server: Callable[..., RedisServer]) -> None:
    """A Redis that may evict counters gives the checks and the warning of /openapi.json."""
    async with pipeline(private_server("--maxmemory-policy", "allkeys-lru").url) as pipe:
        answer = json.loads((await _get(pipe, "/readyz"))[1])
    assert examples.READY_WARNINGS[0] in answer["warnings"]
    said = [(check["name"], check["status"], check["detail"]) for check in answer["checks"]]
    assert [check for check in examples.READY_CHECKS if tuple(check.values()) not in said] == []


async def _get(pipe: Pipeline, path: str) -> tuple[int, bytes]:
    async with pipe.http.get(path) as response:
        return response.status, await response.read()
