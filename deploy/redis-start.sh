#!/bin/sh
# Writes Redis's access list with the passwords in, then becomes redis-server.
#
#   redis-start.sh run redis.conf [redis-server's own arguments]
#   redis-start.sh render          only write the list; `redis-cli --user admin ACL LOAD` then makes it count
#
# A user's passwords are the lines of the file $ACL_PASSWORDS<user>, or else the variable REDIS_PASSWORD_<USER>. Two lines
# are two passwords that both count, so a password changes while all connections stay open. Only hashes are written.
set -eu
umask 077
: "${ACL_TEMPLATE:=/etc/sidedata/users.acl}"
: "${ACL_FILE:=/run/sidedata-redis/users.acl}"
: "${ACL_PASSWORDS:=/run/secrets/redis/}"

passwords() {
    if [ -f "$ACL_PASSWORDS$1" ]; then
        cat "$ACL_PASSWORDS$1"
    else
        printenv "REDIS_PASSWORD_$(printf %s "$1" | tr '[:lower:]' '[:upper:]')" || true
    fi
}

access() {
    hashes=$(passwords "$1" | while IFS= read -r password || [ -n "$password" ]; do
        if [ -n "$password" ]; then
            printf ' #%s' "$(printf %s "$password" | sha256sum | cut -d ' ' -f 1)"
        fi
    done)
    if [ -n "$hashes" ]; then printf 'on%s' "$hashes"; else printf off; fi
}

# Without a list Redis would let the default user in with all rights; with a list of users who are all off nothing works.
fail() {
    echo "redis-start.sh: $1" >&2
    exit 1
}

render() {
    [ -s "$ACL_TEMPLATE" ] || fail "there is no list of users in $ACL_TEMPLATE"
    awk '
        /^[ \t]*(#|$)/ { next }
        /^user /       { if (line) print line; line = $0; next }
                       { sub(/^[ \t]+/, ""); line = line " " $0 }
        END            { print line }
    ' "$ACL_TEMPLATE" | while IFS= read -r line; do
        case $line in
            *' @password@ '*)
                name=${line#user }
                printf '%s %s %s\n' "${line%% @password@ *}" "$(access "${name%% *}")" "${line#* @password@ }"
                ;;
            *) printf '%s\n' "$line" ;;
        esac
    done > "$ACL_FILE.new"
    grep -q '^user [a-z]* on ' "$ACL_FILE.new" || fail "no user has a password: neither $ACL_PASSWORDS<user> nor REDIS_PASSWORD_<USER>"
    mv "$ACL_FILE.new" "$ACL_FILE"
}

case ${1:-} in
    render) render ;;
    run)
        shift
        render
        # The list is in its file; the server's environment must not show passwords.
        for name in $(env | sed -n 's/^\(REDIS_PASSWORD_[A-Z]*\)=.*/\1/p'); do unset "$name"; done
        exec redis-server "$@" --aclfile "$ACL_FILE"
        ;;
    *)
        echo "usage: redis-start.sh run CONFIG [ARGUMENT]… | render" >&2
        exit 2
        ;;
esac
