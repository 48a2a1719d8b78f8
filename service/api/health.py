"""Checks of a service process: those of Redis, and the installation."""

from collections.abc import Sequence

from sidedata.inspect.health import Check, redis_checks
from sidedata.inspect.zones import zone_check
from sidedata.service.http.state import Backend


class ServiceChecks:
    """The checks of one service process."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def __call__(self) -> Sequence[Check]:
        """Run all checks."""
        checks = await redis_checks(self._backend.gateway)
        if self._backend.is_open:
            checks.append(Check("installation", "ok", "the configuration fits the installation"))
            checks.append(await zone_check(self._backend.gateway))
        else:
            checks.append(Check("installation", "failed", "Redis was not reached since the start"))
        return checks
