#!/usr/bin/env bash
# Where clocks skip or repeat midnight, libraries put a day's events under the day before, split the day in two, or raise.
#
# Guess: a local day begins with the first instant of its date, and each library that knows zones cuts days there.
# Seen in the Azores in March and October 2026, with an event an hour (Cairo, Beirut, Havana and Santiago skip midnight, too).
# Midnight skipped: pendulum 3.3.0 and group_by_dynamic of polars 2.1.0 begin the day at 23:00 of the day before, and polars drops
# the events of its last hour. pandas 3.1.1 (floor, date_range, a resample that begins there) and pyarrow 26.0.1 raise. Ranges of
# DuckDB 2.0.1 and arrow 1.4.0 go on at 01:00 and end a day early. Midnight repeated: polars' truncate, DataFusion 55.0.0 and
# pendulum split the day in two. DuckDB's time_bucket counts the first hour for the day before; its date_trunc names a start that
# is later than the first event. whenever 0.11.0 is right in all.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python pandas==3.1.1 polars==2.1.0 pyarrow==26.0.1 duckdb==2.0.1 datafusion==55.0.0 \
  pendulum==3.3.0 arrow==1.4.0 whenever==0.11.0 tzdata==2026.6

PYTHONTZPATH='' "$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import collections
import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo
import arrow
import datafusion
import duckdb
import pandas
import pendulum
import polars
import pyarrow
import pyarrow.compute
import whenever

NAME = "Atlantic/Azores"
ZONE = ZoneInfo(NAME)
QUERY = "SELECT epoch({}) AS day, count(*) FROM events GROUP BY day"


def by_hand(events):
    first = {}
    return [first.setdefault(event.astimezone(ZONE).date(), event) for event in events]


def sql(expression):
    return lambda events: dict(duckdb.sql(QUERY.format(expression)).fetchall())


def data_fusion(events):
    column = pyarrow.array(events, pyarrow.timestamp("us", NAME))
    frame = datafusion.SessionContext().from_arrow(pyarrow.table({"at": column}))
    day = datafusion.functions.date_trunc(datafusion.lit("day"), datafusion.col("at"))
    return frame.select(day.alias("day")).to_pydict()["day"]


def dynamic(events):
    frame = polars.DataFrame({"at": events}).with_columns(polars.col("at").dt.convert_time_zone(NAME))
    return dict(frame.group_by_dynamic("at", every="1d").agg(polars.len()).rows())


def resample(events):
    index = pandas.DatetimeIndex(events).tz_convert(NAME)
    return pandas.Series(1, index=index).resample("D").sum().to_dict()


CUTS = {
    "by date, first event": by_hand,
    "whenever": lambda events: [
        whenever.ZonedDateTime(event.astimezone(ZONE)).start_of("day").to_stdlib() for event in events],
    "arrow": lambda events: [arrow.get(event).to(NAME).floor("day") for event in events],
    "pendulum": lambda events: [pendulum.instance(event).in_timezone(NAME).start_of("day") for event in events],
    "pandas resample": resample,
    "pandas floor": lambda events: list(pandas.Series(pandas.DatetimeIndex(events).tz_convert(NAME)).dt.floor("D")),
    "pyarrow": lambda events: pyarrow.compute.floor_temporal(
        pyarrow.array(events, pyarrow.timestamp("us", NAME)), unit="day").to_pylist(),
    "polars truncate": lambda events: polars.Series(events).dt.convert_time_zone(NAME).dt.truncate("1d").to_list(),
    "polars group_by_dynamic": dynamic,
    "DuckDB date_trunc": sql("date_trunc('day', moment)"),
    "DuckDB time_bucket": sql(f"time_bucket(INTERVAL 1 DAY, moment, '{NAME}')"),
    "DataFusion": data_fusion,
}


def ranges(first, last):
    yield "pandas", lambda: list(pandas.date_range(first, last, freq="D"))
    plain = first.replace(tzinfo=None), last.replace(tzinfo=None)
    yield "polars", lambda: polars.datetime_range(*plain, "1d", time_zone=NAME, eager=True).to_list()
    query = f"SELECT unnest(generate_series('{first}'::TIMESTAMPTZ, '{last}'::TIMESTAMPTZ, INTERVAL 1 DAY))"
    yield "DuckDB", lambda: [row[0] for row in duckdb.sql(query).fetchall()]
    yield "arrow", lambda: list(arrow.Arrow.range("day", *plain, tz=NAME))
    yield "pendulum", lambda: list(pendulum.interval(pendulum.instance(first), pendulum.instance(last)).range("days"))


def attempt(command):
    try:
        return command()
    except (ValueError, pyarrow.ArrowInvalid) as error:
        return type(error).__name__


def counts(cut, events):
    days = cut(events)
    counted = collections.Counter()
    for day, number in days.items() if isinstance(days, dict) else zip(days, itertools.repeat(1)):
        counted[day if isinstance(day, float) else day.timestamp()] += number
    return ", ".join(f"{at(day)} {counted[day]}" for day in sorted(counted))


def at(timestamp):
    return f"{datetime.fromtimestamp(timestamp, ZONE):%d. %H:%M%z}"[:-2]


duckdb.sql(f"SET TimeZone = '{NAME}'")
for month, day, what in ((3, 29, "March, midnight is skipped on the 29th"), (10, 25, "October, midnight is repeated on the 25th")):
    first = datetime(2026, month, day - 1, tzinfo=ZONE)
    last = first + timedelta(days=3)
    events = [first.astimezone(UTC) + timedelta(hours=hour + 0.5) for hour in range(72)]
    column = pyarrow.array(events, pyarrow.timestamp("us", "UTC"))
    duckdb.register("events", pyarrow.table({"moment": column}))
    print(f"{what}; an event an hour")
    for name, cut in CUTS.items():
        print(f"  {name}: {attempt(lambda: counts(cut, events))}")
    print(f"  pandas resample from that day on: {attempt(lambda: counts(resample, events[24:]))}")
    for name, days in ranges(first, last):
        print(f"  range of {name}: {attempt(lambda: ', '.join(at(day.timestamp()) for day in days()))}")
PYTHON

verdict "$folder/seen" <<'RECORD'
March, midnight is skipped on the 29th; an event an hour
  by date, first event: 28. 00:30-01 24, 29. 01:30+00 23, 30. 00:30+00 24, 31. 00:30+00 1
  whenever: 28. 00:00-01 24, 29. 01:00+00 23, 30. 00:00+00 24, 31. 00:00+00 1
  arrow: 28. 00:00-01 24, 29. 01:00+00 23, 30. 00:00+00 24, 31. 00:00+00 1
  pendulum: 28. 00:00-01 24, 28. 23:00-01 23, 30. 00:00+00 24, 31. 00:00+00 1
  pandas resample: 28. 00:00-01 24, 29. 01:00+00 23, 30. 00:00+00 24, 31. 00:00+00 1
  pandas floor: ValueError
  pyarrow: ArrowInvalid
  polars truncate: 28. 00:00-01 24, 29. 01:00+00 23, 30. 00:00+00 24, 31. 00:00+00 1
  polars group_by_dynamic: 28. 00:00-01 23, 28. 23:00-01 23, 30. 00:00+00 24, 31. 00:00+00 1
  DuckDB date_trunc: 28. 00:00-01 24, 29. 01:00+00 23, 30. 00:00+00 24, 31. 00:00+00 1
  DuckDB time_bucket: 28. 00:00-01 24, 29. 01:00+00 23, 30. 00:00+00 24, 31. 00:00+00 1
  DataFusion: 28. 00:00-01 24, 29. 01:00+00 23, 30. 00:00+00 24, 31. 00:00+00 1
  pandas resample from that day on: ValueError
  range of pandas: ValueError
  range of polars: 28. 00:00-01, 28. 23:00-01, 30. 00:00+00, 31. 00:00+00
  range of DuckDB: 28. 00:00-01, 29. 01:00+00, 30. 01:00+00
  range of arrow: 28. 00:00-01, 29. 01:00+00, 30. 01:00+00
  range of pendulum: 28. 00:00-01, 29. 01:00+00, 30. 00:00+00, 31. 00:00+00
October, midnight is repeated on the 25th; an event an hour
  by date, first event: 24. 00:30+00 24, 25. 00:30+00 25, 26. 00:30-01 23
  whenever: 24. 00:00+00 24, 25. 00:00+00 25, 26. 00:00-01 23
  arrow: 24. 00:00+00 24, 25. 00:00+00 25, 26. 00:00-01 23
  pendulum: 24. 00:00+00 24, 25. 00:00+00 24, 25. 00:00-01 1, 26. 00:00-01 23
  pandas resample: 24. 00:00+00 24, 25. 00:00+00 25, 26. 00:00-01 23
  pandas floor: ValueError
  pyarrow: ArrowInvalid
  polars truncate: 24. 00:00+00 24, 25. 00:00+00 1, 25. 00:00-01 24, 26. 00:00-01 23
  polars group_by_dynamic: 24. 00:00+00 24, 25. 00:00+00 25, 26. 00:00-01 23
  DuckDB date_trunc: 24. 00:00+00 24, 25. 00:00-01 25, 26. 00:00-01 23
  DuckDB time_bucket: 24. 00:00+00 25, 25. 00:00-01 24, 26. 00:00-01 23
  DataFusion: 24. 00:00+00 24, 25. 00:00+00 1, 25. 00:00-01 24, 26. 00:00-01 23
  pandas resample from that day on: ValueError
  range of pandas: ValueError
  range of polars: 24. 00:00+00, 25. 00:00+00, 26. 00:00-01, 27. 00:00-01
  range of DuckDB: 24. 00:00+00, 25. 00:00+00, 26. 00:00-01, 27. 00:00-01
  range of arrow: 24. 00:00+00, 25. 00:00+00, 26. 00:00-01, 27. 00:00-01
  range of pendulum: 24. 00:00+00, 25. 00:00-01, 26. 00:00-01, 27. 00:00-01
RECORD
