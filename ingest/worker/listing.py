"""The list of organizations in an installation that is older than the list: filled once, by a scan, in the background."""

import asyncio
import logging
from typing import Final

from sidedata.errors import CommandRefusedError, StoreUnavailableError
from sidedata.reads.records import find_organizations, unlisted_partitions
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.writes.records import list_organizations, mark_listed

_RETRY_SECONDS: Final = 30.0
_log = logging.getLogger("sidedata.worker")


async def fill_list(gateway: Gateway, installation: Installation) -> None:
    """List the organizations of all partitions that were not listed yet; several workers may do so at once."""
    while True:
        try:
            partitions = await unlisted_partitions(gateway, installation)
            if partitions:
                async for organizations in find_organizations(gateway):
                    await list_organizations(gateway, installation, organizations)
                await mark_listed(gateway, partitions)
        except CommandRefusedError as error:
            _log.warning("organizations without new events stay out of the list: %s; see users.acl", error)
            return
        except StoreUnavailableError:
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return
