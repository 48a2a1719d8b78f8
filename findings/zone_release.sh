#!/usr/bin/env bash
# One release of the time zone data, two tables: Debian's and PyPI's differ in a hundred zones before 1970, in some after.
#
# Guess: zone data that name the same IANA release give the same offsets.
# Seen with release 2026f as Debian 12's tzdata 2026f-0+deb12u1 and PyPI's tzdata 2026.6, noon UTC of four days a year from 1890 to
# 2035: of 598 zones that both have, 101 differ before 1970, WET until 1996 and EET until 1976. Debian keeps the pasts that IANA
# has merged into those of neighbours. (2025b of both: 105 zones.) From 1997 on the two give the same offsets.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python tzdata==2026.6
(cd "$folder" && apt-get download -qq tzdata=2026f-0+deb12u1 && dpkg-deb -x tzdata_*.deb debian) >"$folder/apt.log" 2>&1 ||
  { cat "$folder/apt.log" >&2; exit 2; }
debian=$folder/debian/usr/share/zoneinfo

{
  sed -n '1s/^# version/Debian:/p' "$debian/tzdata.zi"
  "$folder/venv/bin/python" - "$debian" <<'PYTHON'
import pathlib
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo
import tzdata

print("PyPI:", tzdata.IANA_VERSION)
debian = pathlib.Path(sys.argv[1])
pypi = pathlib.Path(tzdata.__file__).parent / "zoneinfo"
instants = [datetime(year, month, 15, 12, tzinfo=UTC) for year in range(1890, 2036) for month in (1, 4, 7, 10)]
before, after, both = 0, {}, 0
for name in (pypi.parent / "zones").read_text().split():
    if not (debian / name).is_file():
        continue
    both += 1
    with open(debian / name, "rb") as one, open(pypi / name, "rb") as other:
        pair = ZoneInfo.from_file(one), ZoneInfo.from_file(other)
    years = [instant.year for instant in instants if len({instant.astimezone(zone).utcoffset() for zone in pair}) > 1]
    before += any(year < 1970 for year in years)
    if any(year >= 1970 for year in years):
        after[name] = max(years)
print(f"zones of both: {both}, of which differ before 1970: {before}, later: {len(after)}")
for name, year in after.items():
    print(f"  {name} until {year}")
PYTHON
} >"$folder/seen"

verdict "$folder/seen" <<'RECORD'
Debian: 2026f
PyPI: 2026f
zones of both: 598, of which differ before 1970: 101, later: 2
  EET until 1976
  WET until 1996
RECORD
