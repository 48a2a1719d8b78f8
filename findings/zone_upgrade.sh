#!/usr/bin/env bash
# pip upgrades tzdata under a running process: three of its parts then speak of two releases.
#
# Guess: a process goes on with the release that it started with, until it is restarted.
# Seen on CPython 3.11 with no system zones, tzdata 2025.1 replaced by 2026.6: tzdata.IANA_VERSION stays 2025a,
# importlib.metadata says 2026.6. A zone read before keeps its rules (Vancouver, January 2027: -8 hours), even after
# reset_tzpath(). One that is read first now has the new ones (Edmonton: -6 hours, was -7), and after ZoneInfo.clear_cache()
# Vancouver is at -7. Two datetimes of one zone's two objects are told apart by UTC, of one object by the wall clock.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python tzdata==2025.1

PYTHONTZPATH='' "$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import subprocess
import sys
from datetime import datetime, timedelta
from importlib import metadata
from zoneinfo import ZoneInfo, reset_tzpath
import tzdata


def show(*names):
    for name in names:
        offset = datetime(2027, 1, 15, tzinfo=ZoneInfo(name)).utcoffset() / timedelta(hours=1)
        print(f"  {name}: {offset:+g} hours")


print("module", tzdata.IANA_VERSION, "metadata", metadata.version("tzdata"))
show("America/Vancouver")
before = ZoneInfo("America/Vancouver")
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "tzdata==2026.6"], check=True)
print("module", tzdata.IANA_VERSION, "metadata", metadata.version("tzdata"))
show("America/Vancouver", "America/Edmonton")
reset_tzpath()
print("after reset_tzpath()")
show("America/Vancouver")
ZoneInfo.clear_cache()
print("after clear_cache()")
show("America/Vancouver")
noon = datetime(2027, 1, 15, 12)
apart = noon.replace(tzinfo=before) - noon.replace(tzinfo=ZoneInfo("America/Vancouver"))
print("noon minus noon, before and after:", apart)
PYTHON

verdict "$folder/seen" <<'RECORD'
module 2025a metadata 2025.1
  America/Vancouver: -8 hours
module 2025a metadata 2026.6
  America/Vancouver: -8 hours
  America/Edmonton: -6 hours
after reset_tzpath()
  America/Vancouver: -8 hours
after clear_cache()
  America/Vancouver: -7 hours
noon minus noon, before and after: 1:00:00
RECORD
