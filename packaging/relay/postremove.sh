#!/bin/sh
# dpkg says "remove", then perhaps "purge"; rpm, which knows no purge, how many versions stay. State and configuration stay until purge.
set -e
if [ "$1" = purge ]; then
	rm -rf /var/lib/yagura-relay
	rm -f /etc/systemd/system/multi-user.target.wants/yagura-relay.service
fi
case "$1" in
remove | purge | 0) [ ! -d /run/systemd/system ] || systemctl daemon-reload ;;
esac
