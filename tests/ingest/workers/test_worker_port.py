"""Answers of the worker's own port, besides health and metrics."""

import json

import pytest
from prometheus_client import CollectorRegistry

from sidedata.inspect.health import Check
from sidedata.probes import health_app
from tests.support.processes.service import session


async def no_checks() -> list[Check]:
    """Nothing that could fail."""
    return []


@pytest.mark.holds("6.6")
@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_a_known_path_refuses_other_methods(path: str) -> None:
    """405 says which methods it takes, as on the service's port, and GET and HEAD are taken."""
    async with session(health_app(CollectorRegistry(), no_checks), token="") as http:
        for method in ("POST", "DELETE", "PATCH", "OPTIONS"):
            async with http.request(method, path) as response:
                body = json.loads(await response.read())
                assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
                assert (response.content_type, body["status"]) == ("application/problem+json", 405)
        for method in ("GET", "HEAD"):
            async with http.request(method, path) as response:
                assert response.status == 200


@pytest.mark.holds("6.11")
@pytest.mark.parametrize("path", ["/", "/livez/", "/nowhere", "/%00"])
async def test_other_paths_are_a_404(path: str) -> None:
    """Whatever the method, the body is a problem in JSON."""
    async with session(health_app(CollectorRegistry(), no_checks), token="") as http:
        for method in ("GET", "POST"):
            async with http.request(method, path) as response:
                body = json.loads(await response.read())
                assert (response.status, response.content_type) == (404, "application/problem+json")
                assert body["detail"] == "no such path"
