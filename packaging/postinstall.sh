#!/bin/sh
# dpkg says "configure" and the version that was configured before, if any; rpm says how many versions are installed now.
set -e
case "$1/$2" in
configure/ | 1/) first=yes ;;
configure/* | [2-9]*) first= ;;
*) exit 0 ;;
esac

# Whether the configuration, its comments apart, says where events go.
has_uplink() {
	sed -e 's/<!--.*-->//g' -e '/<!--/,/-->/d' /etc/yagura/ossec.conf | grep -q '<uplink>'
}

if command -v systemctl >/dev/null; then
	[ -z "$first" ] || systemctl enable yagura-agent.service
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		if has_uplink && systemctl --quiet is-enabled yagura-agent.service; then
			systemctl restart yagura-agent.service
		else
			systemctl try-restart yagura-agent.service
		fi
	fi
fi
if ! has_uplink; then
	echo "yagura-agent is not started: say in /etc/yagura/ossec.conf where events go (<client><uplink>), then"
	echo "  yagura-agent check && systemctl start yagura-agent"
fi
