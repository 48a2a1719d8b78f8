"""A service for all tests here, and each proxy in front of it."""

import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.ports import free_port
from tests.support.proxies.front import Front, Service
from tests.support.proxies.programs import STARTS, answers, start_service, wait_for
from tests.support.redis.certificates import Certificates
from tests.support.repository.deploy_files import tool


@pytest.fixture
def organization() -> str:
    """Return an organization without events, so that its counts are small and exact."""
    return str(uuid.uuid4())


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service with a worker and a Redis, and a token for everything."""
    with ExitStack() as stack:
        yield start_service(stack, tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="package", params=sorted(STARTS))
def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """One proxy after the other, in front of the same service; the programs are looked for before anything is started."""
    tool(request.param)
    service: Service = request.getfixturevalue("service")
    directory = tmp_path_factory.mktemp(request.param)
    certificates = Certificates(directory)
    port = free_port()
    with ExitStack() as stack:
        log = STARTS[request.param](stack, directory, port, service.port, certificates.of("server"))
        wait_for(lambda: answers(port), f"{request.param} starts", log)
        yield Front(port, certificates.ca, log, service)
