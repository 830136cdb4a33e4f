# The words of trials, and Debian in the guise of rpm's world. Who reads this has set kind.

step() { echo "ok $*"; }
must() { echo "+ $*"; "$@"; }
never() { echo "+ not: $*"; if "$@"; then return 1; fi; }

# await waits for a command to succeed, for ten seconds at most.
await() {
	echo "+ await: $*"
	for _ in $(seq 100); do
		if "$@" >/dev/null 2>&1; then return; fi
		sleep 0.1
	done
	"$@"
}

if [ $kind = rpm ]; then # this is Debian, and shall not look so
	mv /usr/bin/apt-get /usr/bin/apt-get.away
	cat >/usr/local/bin/rpm <<-'END'
		#!/bin/sh
		case "$1" in
		--query) exec /usr/bin/rpm "$@" ;;
		*) exec /usr/bin/rpm --force-debian --nodeps "$@" ;;
		esac
	END
	chmod +x /usr/local/bin/rpm
fi

ps_user() { stat -c %U "/proc/$1"; } # whose process it is
