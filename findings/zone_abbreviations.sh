#!/usr/bin/env bash
# BST is London's summer time in PostgreSQL and Bangladesh in DuckDB, by the same SQL, and PST in July differs by an hour.
#
# Guess: DuckDB follows PostgreSQL's SQL, so '2026-07-01 12:00 BST'::TIMESTAMPTZ is one instant in both, or an error.
# Seen with DuckDB 2.0.1 and PostgreSQL 18.7 (PGlite 0.5.17): PostgreSQL has a table of abbreviations, each with an offset for all
# of the year. DuckDB takes ICU's old three-letter zones, which have summer times: AST is Alaska, NST New Zealand, ART Egypt, and
# CST and PST are an hour apart in July. CET, EET and WET are an offset there and a zone here; Python's zoneinfo sides with
# DuckDB. EDT, CEST and MSK are PostgreSQL's alone. Offsets in digits mean the same everywhere.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python duckdb==2.0.1 tzdata==2026.6
node @electric-sql/pglite@0.5.17

cat >"$folder/offsets.mjs" <<'NODE'
import { PGlite } from "@electric-sql/pglite";

const database = new PGlite();
for (const name of process.argv.slice(2)) {
  try {
    const { rows } = await database.query(`SELECT EXTRACT(EPOCH FROM '2026-07-01 12:00 ${name}'::TIMESTAMPTZ) AS at`);
    console.log((Date.UTC(2026, 6, 1, 12) / 1000 - Number(rows[0].at)) / 3600);
  } catch {
    console.log("error");
  }
}
NODE

names="BST IST AST CST MST PST EST NST ACT ART CET EET WET EDT CEST MSK UTC"
# shellcheck disable=SC2086
(cd "$folder" && command node offsets.mjs $names >postgresql)
# shellcheck disable=SC2086
PYTHONTZPATH='' "$folder/venv/bin/python" - $names >"$folder/seen" <<'PYTHON'
import os
import sys
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError
import duckdb


def by_duckdb(name):
    query = f"SELECT epoch(TIMESTAMP '2026-07-01 12:00') - epoch('2026-07-01 12:00 {name}'::TIMESTAMPTZ)"
    try:
        return f"{duckdb.sql(query).fetchall()[0][0] / 3600:g}"
    except duckdb.Error:
        return "error"


def by_zoneinfo(name):
    try:
        return f"{datetime(2026, 7, 1, 12, tzinfo=ZoneInfo(name)).utcoffset().total_seconds() / 3600:g}"
    except ZoneInfoNotFoundError:
        return "error"


print("12:00 on 1 July 2026, hours ahead of UTC: PostgreSQL, DuckDB, zoneinfo")
with open(f"{os.environ['folder']}/postgresql") as file:
    for name, postgresql in zip(sys.argv[1:], file.read().split(), strict=True):
        print(f"  {name}: {postgresql} {by_duckdb(name)} {by_zoneinfo(name)}")
PYTHON

verdict "$folder/seen" <<'RECORD'
12:00 on 1 July 2026, hours ahead of UTC: PostgreSQL, DuckDB, zoneinfo
  BST: 1 6 error
  IST: 2 5.5 error
  AST: -4 -8 error
  CST: -6 -5 error
  MST: -7 -7 -7
  PST: -8 -7 error
  EST: -5 -5 -5
  NST: -3.5 12 error
  ACT: -5 9.5 error
  ART: -3 3 error
  CET: 1 2 2
  EET: 2 3 3
  WET: 0 1 1
  EDT: -4 error error
  CEST: 2 error error
  MSK: 3 error error
  UTC: 0 0 0
RECORD
