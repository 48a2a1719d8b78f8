"""Checks of a service process: those of Redis, and the installation."""

import asyncio
from collections.abc import Sequence

from sidedata.errors import CommandRefusedError, SidedataError
from sidedata.inspect.health import CHECK_SECONDS, Check, redis_answers, redis_checks
from sidedata.inspect.zones import zone_check
from sidedata.service.freshness.freshness import BEHIND_SECONDS, RIGHT_MISSING
from sidedata.service.http.state import Backend
from sidedata.writes.records import missing_rights


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
            if redis_answers(checks):
                checks.append(await self._rights())
                checks.append(await self._lag())
                checks.append(await zone_check(backend.gateway))
        else:
            checks.append(Check("installation", "failed", "Redis was not reached since the start"))
        return checks

    async def _lag(self) -> Check:
        """Check that the workers keep up; a lag is a warning, because reports are answered all the same."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                lag = await self._backend.freshness.furthest_behind(range(self._backend.installation.partitions))
        except CommandRefusedError as error:
            return Check("lag", "warning", f"{RIGHT_MISSING}: {error}")
        except (SidedataError, TimeoutError):
            return Check("lag", "unknown", "Redis did not tell in time which events wait")
        if lag > BEHIND_SECONDS:
            return Check("lag", "warning", f"the oldest event has waited for {lag:.0f} s; workers lag or are gone")
        return Check("lag", "ok", "the numbers are up to date")

    async def _rights(self) -> Check:
        """Check the rights that reports do without: an operator can leave them out, and older access rules lack them."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                missing = await missing_rights(self._backend.gateway)
        except (SidedataError, TimeoutError):
            return Check("rights", "unknown", "Redis did not tell this account's rights")
        if missing:
            return Check("rights", "warning", f"this account may not {', '.join(missing)}: see users.acl")
        return Check("rights", "ok", "this account may read dead letters and write records")
