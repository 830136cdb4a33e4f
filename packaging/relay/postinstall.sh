#!/bin/sh
# dpkg says "configure" and the version that was configured before, if any; rpm says how many versions are installed now.
set -e
case "$1/$2" in
configure/ | 1/) first=yes ;;
configure/* | [2-9]*) first= ;;
*) exit 0 ;;
esac

# Whether the configuration, its comments apart, says where events go and where keys are.
has_targets() {
	text=$(sed -e 's/<!--.*-->//g' -e '/<!--/,/-->/d' /etc/yagura/relay.conf)
	case $text in
	*"<uplink>"*"<fleet>"* | *"<fleet>"*"<uplink>"*) ;;
	*) return 1 ;;
	esac
}

if command -v systemd-sysusers >/dev/null; then
	systemd-sysusers yagura-relay.conf
fi
if command -v systemctl >/dev/null; then
	[ -z "$first" ] || systemctl enable yagura-relay.service
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		systemctl restart systemd-sysctl.service || echo "yagura-relay: net.core.rmem_max could not be set; yagura-relay check tells of it"
		if has_targets && systemctl --quiet is-enabled yagura-relay.service; then
			systemctl restart yagura-relay.service
		else
			systemctl try-restart yagura-relay.service
		fi
	fi
fi
if ! has_targets; then
	echo "yagura-relay is not started: say in /etc/yagura/relay.conf where events go (<uplink>) and where keys are (<fleet>), then"
	echo "  yagura-relay check && systemctl start yagura-relay"
fi
