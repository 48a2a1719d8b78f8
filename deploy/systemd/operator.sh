#!/bin/sh
# The command line with the rights of Redis's user `operator`; install it as /usr/local/bin/sidedata.
# A transient unit reads /etc/sidedata/operator.env, so secrets show up neither in the shell nor in a list of processes.
# It has no home directories: give files by standard input, as in `sidedata push - < events.ndjson`.
set -eu
if [ -t 0 ] && [ -t 1 ]; then terminal=--pty; else terminal=--pipe; fi
exec systemd-run --quiet --collect --wait "$terminal" --service-type=exec \
    --property=EnvironmentFile=/etc/sidedata/operator.env --property=DynamicUser=yes --property=UMask=0077 \
    --property=NoNewPrivileges=yes --property=CapabilityBoundingSet= --property=ProtectSystem=strict \
    --property=ProtectHome=yes --property=PrivateTmp=yes --property=PrivateDevices=yes \
    -- /opt/sidedata/bin/sidedata "$@"
