"""DuckDB and chDB in-process, asked what a page-navigation report says; each in its own best words."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from bench.exact import Exact

_COLUMNS = "workflow_id, visitor_id, session_id, timestamp"
_INNER = "FROM events WHERE workflow_id = '{workflow}' AND moment >= {start} AND moment < {end}"


class Database(Protocol):
    """A peer with the events in it."""

    name: str
    loaded_seconds: float

    def ask(self, workflow: str, start_us: int, end_us: int, *, exact: bool) -> tuple[Exact, float]:
        """The report, and the milliseconds that it took."""

    def close(self) -> None:
        """Let go of the data."""


class DuckDB:
    """A table in memory, in the order of workflow and time."""

    name = "DuckDB"

    def __init__(self, lines: Path, directory: Path) -> None:
        # Imported by name: they are there only where `make bench` put them.
        self._connection: Any = importlib.import_module("duckdb").connect(str(directory / "duck"))
        start = time.perf_counter()
        columns = "{workflow_id: 'UUID', visitor_id: 'VARCHAR', session_id: 'VARCHAR', timestamp: 'TIMESTAMP'}"
        self._connection.execute(
            "CREATE TABLE events AS SELECT workflow_id, visitor_id, session_id, timestamp AS moment "  # noqa: S608 - our own text
            f"FROM read_json('{lines}', format='newline_delimited', columns={columns}) ORDER BY workflow_id, moment"
        )
        self.loaded_seconds = time.perf_counter() - start

    def ask(self, workflow: str, start_us: int, end_us: int, *, exact: bool) -> tuple[Exact, float]:
        """Three statements: as one, over a common selection, they took twice as long."""
        count = "count(DISTINCT {})" if exact else "approx_count_distinct({})"
        visitors = count.format("visitor_id")
        where = _INNER.format(workflow=workflow, start=f"make_timestamp({start_us})", end=f"make_timestamp({end_us})")

        def rows(sql: str) -> list[tuple[int, ...]]:
            found: list[tuple[int, ...]] = self._connection.execute(sql).fetchall()
            return found

        return _timed(
            rows,
            f"SELECT {visitors}, {count.format('session_id')} {where}",
            f"SELECT hour(h), sum(n) FROM (SELECT date_trunc('hour', moment) AS h, {visitors} AS n {where} GROUP BY h) "  # noqa: S608
            "GROUP BY 1",
            f"SELECT isodow(d), sum(n) FROM (SELECT date_trunc('day', moment) AS d, {visitors} AS n {where} GROUP BY d) "  # noqa: S608
            "GROUP BY 1",
        )

    def close(self) -> None:
        """Let go of the data."""
        self._connection.close()


class ChDB:
    """A MergeTree in the order of workflow and time."""

    name = "chDB"

    def __init__(self, lines: Path, directory: Path) -> None:
        self._session: Any = importlib.import_module("chdb.session").Session(str(directory / "ch"))
        start = time.perf_counter()
        self._session.query("CREATE DATABASE bench ENGINE = Atomic")
        self._session.query("USE bench")
        self._session.query(
            "CREATE TABLE events (workflow_id UUID, visitor_id String, session_id String, moment DateTime64(3, 'UTC')) "
            "ENGINE = MergeTree ORDER BY (workflow_id, moment)"
        )
        structure = "workflow_id UUID, visitor_id String, session_id String, timestamp DateTime64(3, \\'UTC\\')"
        self._session.query(
            f"INSERT INTO events SELECT {_COLUMNS} FROM file('{lines}', 'JSONEachRow', '{structure}') "  # noqa: S608
            "SETTINGS date_time_input_format = 'best_effort', input_format_skip_unknown_fields = 1"
        )
        self._session.query("OPTIMIZE TABLE events FINAL")
        self.loaded_seconds = time.perf_counter() - start

    def ask(self, workflow: str, start_us: int, end_us: int, *, exact: bool) -> tuple[Exact, float]:
        """`uniq` is the approximate count that its manual recommends."""
        count = "uniqExact({})" if exact else "uniq({})"
        visitors = count.format("visitor_id")
        instant = "fromUnixTimestamp64Micro(toInt64({}), 'UTC')"
        where = _INNER.format(workflow=workflow, start=instant.format(start_us), end=instant.format(end_us))

        def rows(sql: str) -> list[tuple[int, ...]]:
            said = bytes(self._session.query(sql, "JSONCompactEachRow").bytes())
            return [tuple(map(int, msgspec.json.decode(line))) for line in said.splitlines()]

        return _timed(
            rows,
            f"SELECT {visitors}, {count.format('session_id')} {where}",
            f"SELECT toHour(h), sum(n) FROM (SELECT toStartOfHour(moment) AS h, {visitors} AS n {where} GROUP BY h) "  # noqa: S608
            "GROUP BY 1",
            f"SELECT toDayOfWeek(d), sum(n) FROM (SELECT toDate(moment) AS d, {visitors} AS n {where} GROUP BY d) "  # noqa: S608
            "GROUP BY 1",
        )

    def close(self) -> None:
        """Let go of the data."""
        self._session.close()


def _timed(
    rows: Callable[[str], list[tuple[int, ...]]], totals: str, by_hour: str, by_weekday: str
) -> tuple[Exact, float]:
    start = time.perf_counter()
    total, hour_rows, weekday_rows = rows(totals), rows(by_hour), rows(by_weekday)
    ms = 1000 * (time.perf_counter() - start)
    hours, weekdays = ({int(place): int(n) for place, n in found} for found in (hour_rows, weekday_rows))
    return (
        Exact(
            total[0][0],
            total[0][1],
            [hours.get(hour, 0) for hour in range(24)],
            [weekdays.get(day, 0) for day in range(1, 8)],
        ),
        ms,
    )
