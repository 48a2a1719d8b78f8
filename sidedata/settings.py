"""Every setting in one table: name, default, meaning.

A setting is an environment variable `SIDEDATA_<NAME>` and a flag `--<name>` of the commands. The table below is the only
place where one is defined; README's table is held against it by a test.
"""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from sidedata.errors import UsageError

PREFIX = "SIDEDATA_"
_NUMBER = re.compile(r"Expected `int`(?:( [<>]=? \d+)|, got `\w+`)?$")  # as msgspec words it
_TESTS = "TEST_"  # of names behind the prefix: which programs tests run

Positive = Annotated[int, Meta(ge=1)]
Natural = Annotated[int, Meta(ge=0)]
Port = Annotated[int, Meta(ge=0, le=65535)]
# A hundred years, so that no retention leads out of the calendar.
Hours = Annotated[int, Meta(ge=1, le=876_600)]
Days = Annotated[int, Meta(ge=1, le=36_525)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a process, read once at its entry and passed down; the texts are the help of the flags."""

    redis_url: Annotated[
        str,
        Meta(
            description="redis://, unix://, a cluster as redis+cluster://host:port; over TLS rediss://, rediss+cluster://;"
            " unset: the one that up or demo runs in SIDEDATA_DATA_DIR"
        ),
    ] = ""
    data_dir: Annotated[str, Meta(description="data directory of the embedded Redis")] = ".sidedata"
    secret: Annotated[
        str, Meta(description="the installation's secret, key of all hashed ids; up and demo make their own")
    ] = ""
    host: Annotated[str, Meta(description="address that the service and the worker's health port listen on")] = (
        "127.0.0.1"
    )
    port: Annotated[Port, Meta(description="port of the service; 0: any free one")] = 8080
    processes: Annotated[Positive, Meta(description="service processes of one `serve`, all on the same port")] = 1
    worker_port: Annotated[
        Port, Meta(description="port of the worker's /livez, /readyz and /metrics; 0: any free one")
    ] = 8081
    partitions: Annotated[
        Natural, Meta(description="number of partitions of a new installation (16); unset: the stored number")
    ] = 0
    keep_fine_hours: Annotated[Hours, Meta(description="retention of buckets of 5 minutes")] = 48
    keep_hour_days: Annotated[Days, Meta(description="retention of buckets of a local hour")] = 35
    keep_day_days: Annotated[Days, Meta(description="retention of buckets of a local day")] = 400
    keep_late_hours: Annotated[
        Natural, Meta(le=876_600, description="least retention of an hour or day bucket after its last event")
    ] = 48
    keep_ids_hours: Annotated[Hours, Meta(description="retention of the ids of applied events")] = 24
    keep_dead_days: Annotated[Days, Meta(description="retention of dead letters")] = 30
    dead_limit: Annotated[
        Positive,
        Meta(description="most dead letters of one partition; the oldest are dropped first, and a metric counts them"),
    ] = 1_000_000
    affect_hours: Annotated[
        Hours, Meta(description="time after an interaction in which an outer goal counts as affected")
    ] = 24
    visitor_goals: Annotated[Positive, Meta(description="goals of one visitor that wait for late interactions")] = (
        10_000
    )
    backlog_limit: Annotated[
        Positive, Meta(description="stream entries of a partition above which HTTP ingest answers 503")
    ] = 100_000
    wait_replicas: Annotated[
        Natural,
        Meta(description="replicas that must have events before ingest and push report them as accepted; else 503"),
    ] = 0
    batch_events: Annotated[
        Positive,
        Meta(description="events in one commit of the worker, about; four times as many for a partition far behind"),
    ] = 5_000
    id_filters_mb: Annotated[
        Natural,
        Meta(
            description="memory of a worker for filters of event ids, MiB: 2 bytes for each id of the last two days;"
            " beyond it Redis looks up all ids"
        ),
    ] = 128
    lease_ms: Annotated[
        Positive, Meta(description="time until the partitions of a dead worker are free, milliseconds")
    ] = 3_000
    cache_mb: Annotated[
        Positive, Meta(description="memory for cached sketches and answers of a service process, MiB")
    ] = 256
    rate_limit: Annotated[Natural, Meta(description="requests a second that one token may make; 0: no limit")] = 0
    requests_limit: Annotated[
        Positive,
        Meta(description="requests of a service process that may wait for Redis at once; beyond it requests get a 503"),
    ] = 2_000
    bodies_mb: Annotated[
        Positive,
        Meta(description="memory for the request bodies of a service process, MiB; beyond it requests get a 503"),
    ] = 128
    cors_origins: Annotated[
        str,
        Meta(
            description="origins whose pages may send requests, such as https://a.example, separated by commas; unset: none",
            pattern=r"^(https?://[^\s,/]+(\s*,\s*https?://[^\s,/]+)*)?\Z",
        ),
    ] = ""
    trusted_proxies: Annotated[
        str,
        Meta(
            description="networks of trusted proxies, such as 10.0.0.0/8, separated by commas: their X-Forwarded-For gives the "
            "client's address in the request log; unset: the log has no address"
        ),
    ] = ""
    log_level: Annotated[
        str, Meta(description="DEBUG, INFO, WARNING or ERROR", pattern=r"^(DEBUG|INFO|WARNING|ERROR)\Z")
    ] = "INFO"

    def __repr__(self) -> str:
        """All settings except the secret and the URL, which may hold a password."""
        public = {
            name: value for name, value in msgspec.structs.asdict(self).items() if name not in {"secret", "redis_url"}
        }
        return f"Settings({public})"


def variable(name: str) -> str:
    """The environment variable of the setting `name`."""
    return PREFIX + name.upper()


def read_settings(flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read settings from flags, else from the environment, else the defaults; an empty variable counts as unset.

    Raises:
        UsageError: a value is of the wrong kind or out of range; the text names the variable.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(Settings):
        raw_value = (flags or {}).get(field.name)
        if raw_value is None:
            raw_value = environ.get(variable(field.name)) or None
        if raw_value is None:
            continue
        try:
            values[field.name] = msgspec.convert(raw_value, field.type, strict=False)
        except msgspec.ValidationError as error:
            problem = _problem(error, field)
            raise UsageError(
                f"{variable(field.name)}: {problem}, not {raw_value!r}" if field.name != "secret" else problem
            ) from error
    settings = Settings(**values)
    if settings.keep_fine_hours > settings.keep_hour_days * 24 or settings.keep_hour_days > settings.keep_day_days:
        periods = ("keep_fine_hours", "keep_hour_days", "keep_day_days")
        values_in_use = ", ".join(f"{variable(name)} is {getattr(settings, name)}" for name in periods)
        raise UsageError(f"finer buckets can't be kept longer than coarser ones: {values_in_use}")
    return settings


def _problem(error: msgspec.ValidationError, field: msgspec.structs.FieldInfo) -> str:
    """The error in words; a value without the form of its setting is answered with the setting's meaning."""
    text = str(error)
    if "matching regex" in text:
        return f"must be {field.type.__metadata__[-1].description.partition('; unset:')[0]}"
    return _NUMBER.sub(r"must be a whole number\1", text)


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that look like settings and are none, each with the setting that may have been meant, or ""."""
    setting_names = [variable(field.name).removeprefix(PREFIX) for field in msgspec.structs.fields(Settings)]
    variable_names = [name.removeprefix(PREFIX) for name in sorted(environ) if name.startswith(PREFIX)]
    unknown = [name for name in variable_names if name not in setting_names and not name.startswith(_TESTS)]
    return {
        PREFIX + name: "".join(PREFIX + near for near in get_close_matches(name, setting_names, 1)) for name in unknown
    }
