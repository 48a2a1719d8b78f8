"""Checks of a service process: those of Redis, and the installation."""

from collections.abc import Sequence

from sidedata.inspect.health import Check, redis_checks
from sidedata.service.http.state import Backend


class ServiceChecks:
    """The checks of one service process."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def __call__(self) -> Sequence[Check]:
        """Run all checks."""
        backend = self._backend
        partitions = backend.installation.partitions if backend.is_open else backend.settings.partitions
        # Reports are answered whether writes go in or not.
        checks = await redis_checks(backend.gateway, partitions, without_writes="warning")
        if backend.is_open:
            checks.append(Check("installation", "ok", "the configuration fits the installation"))
        else:
            checks.append(Check("installation", "failed", "Redis was not reached since the start"))
        return checks
