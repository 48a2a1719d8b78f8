#!/usr/bin/env bash
# Midnights with their offsets in a CSV file: after a clock change pandas leaves them text, others move them to the day before.
#
# Guess: readers of CSV take RFC 3339 with offsets for instants and keep the local day, or say that they can't.
# Seen with three local midnights of Helsinki around the change of 25 October 2026, session zone UTC: pandas 3.1.1 reads one offset as
# such (the weekday is right), but of two offsets it leaves text in spite of parse_dates, without a warning. pyarrow 26.0.1 and
# pandas with engine="pyarrow" convert to UTC, DuckDB 2.0.1 to the session's zone: Saturday becomes Friday. DataFusion
# 55.0.0 does so too, and its type has no zone.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python pandas==3.1.1 pyarrow==26.0.1 duckdb==2.0.1 datafusion==55.0.0 pytz==2026.6

cd "$folder"
TZ=UTC "$folder/venv/bin/python" -W error - >"$folder/seen" <<'PYTHON'
import datafusion
import duckdb
import pandas
import pyarrow.csv

FILES = {
    "one offset": ["2026-10-24T00:00:00+03:00", "2026-10-25T00:00:00+03:00"],
    "two offsets": ["2026-10-24T00:00:00+03:00", "2026-10-25T00:00:00+03:00", "2026-10-26T00:00:00+02:00"],
}
print("local days: Sat Sun Mon")


def days(values):
    return " ".join(value if isinstance(value, str) else value.strftime("%a") for value in values)


def read(reader, path):
    if reader == "pandas":
        column = pandas.read_csv(path, parse_dates=["start"])["start"]
        return column.dtype, ["text"] * len(column) if column.dtype == "str" else column
    if reader == "pandas, pyarrow":
        column = pandas.read_csv(path, parse_dates=["start"], engine="pyarrow")["start"]
        return column.dtype, column
    if reader == "pyarrow":
        column = pyarrow.csv.read_csv(path)["start"]
        return column.type, column.to_pylist()
    if reader == "DuckDB":
        result = duckdb.sql(f"SELECT start FROM '{path}'")
        return result.types[0], [row[0] for row in result.fetchall()]
    frame = datafusion.SessionContext().read_csv(path)
    return frame.schema().field("start").type, frame.to_pydict()["start"]


for kind, starts in FILES.items():
    path = kind.replace(" ", "-") + ".csv"
    with open(path, "w") as file:
        file.write("\n".join(["start", *starts, ""]))
    print(kind)
    for reader in "pandas", "pandas, pyarrow", "pyarrow", "DuckDB", "DataFusion":
        type_, values = read(reader, path)
        print(f"  {reader}: {type_}: {days(values)}")
PYTHON

verdict "$folder/seen" <<'RECORD'
local days: Sat Sun Mon
one offset
  pandas: datetime64[us, UTC+03:00]: Sat Sun
  pandas, pyarrow: datetime64[s, UTC]: Fri Sat
  pyarrow: timestamp[s, tz=UTC]: Fri Sat
  DuckDB: TIMESTAMP WITH TIME ZONE: Fri Sat
  DataFusion: timestamp[s]: Fri Sat
two offsets
  pandas: str: text text text
  pandas, pyarrow: datetime64[s, UTC]: Fri Sat Sun
  pyarrow: timestamp[s, tz=UTC]: Fri Sat Sun
  DuckDB: TIMESTAMP WITH TIME ZONE: Fri Sat Sun
  DataFusion: timestamp[s]: Fri Sat Sun
RECORD
