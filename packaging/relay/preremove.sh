#!/bin/sh
# dpkg says "remove" or "upgrade", rpm how many versions stay. An upgrade leaves the relay running; postinstall.sh starts the new one.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
command -v systemctl >/dev/null || exit 0
[ ! -d /run/systemd/system ] || systemctl stop yagura-relay.service
[ "$1" = remove ] || systemctl disable yagura-relay.service # dpkg remembers until purge whether it was enabled
