"""The first start of an installation, which fixes its configuration, and the check of every later start against it."""

from sidedata.errors import StopError
from sidedata.reads.records import read_configuration
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import DEFAULT_PARTITIONS, MAX_PARTITIONS, SCHEMA, Installation, fingerprint
from sidedata.schema.keys import CONFIG
from sidedata.settings import Settings


async def open_installation(gateway: Gateway, settings: Settings, *, require_secret: bool = False) -> Installation:
    """Read the installation's configuration, and write it where there is none yet.

    Raises:
        StopError: this process is configured differently, or the installation has another schema.
        StoreUnavailableError: Redis is out of reach.
    """
    if require_secret and not settings.secret:
        raise StopError("SIDEDATA_SECRET is not set; give every process of the installation the same long random text")
    if settings.partitions > MAX_PARTITIONS:
        raise StopError(f"SIDEDATA_PARTITIONS is {settings.partitions}; the maximum is {MAX_PARTITIONS}")
    configuration = await read_configuration(gateway)
    # HSETNX: of two processes that start at once, the first one decides, and both read its decision.
    if configuration.schema is None:
        await gateway.command("HSETNX", CONFIG, "partitions", settings.partitions or DEFAULT_PARTITIONS)
        await gateway.command("HSETNX", CONFIG, "schema", SCHEMA)
    # Where all is stored nothing is written, because a worker must be able to start while Redis is full.
    if settings.secret and configuration.secret is None:
        await gateway.command("HSETNX", CONFIG, "secret", fingerprint(settings.secret))
    configuration = await read_configuration(gateway)
    if configuration.schema != SCHEMA:
        raise StopError(
            f"the installation has schema {configuration.schema}, this program knows {SCHEMA}: run the matching version"
        )
    if configuration.partitions is None:
        raise StopError(f"{CONFIG} holds no number of partitions: restore it from a backup")
    if settings.partitions not in (0, configuration.partitions):
        raise StopError(
            f"SIDEDATA_PARTITIONS is {settings.partitions}, but the installation was created with {configuration.partitions}: "
            "unset it"
        )
    if settings.secret and configuration.secret != fingerprint(settings.secret):
        raise StopError(
            "SIDEDATA_SECRET is not the one that the installation was created with: give this process that of the others"
        )
    return Installation(configuration.partitions)
