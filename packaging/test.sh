#!/usr/bin/env bash
# Tries the packages of two folders, NEW and OLD, in clean systems that are booted for it: test.sh NEW OLD. "make packages-test" runs it.
# Debian's bookworm serves for both kinds; rpm is at home elsewhere, but keeps its own database and runs the scripts as everywhere.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
new=$1 old=$2

missing() {
	echo "make packages-test: $1" >&2
	exit 1
}
[ "$(id -u)" = 0 ] || missing "it boots systems in containers, for which it must be root: sudo make packages-test"
command -v debootstrap >/dev/null || missing "debootstrap is not installed: apt install debootstrap"
command -v systemd-nspawn >/dev/null || missing "systemd-nspawn is not installed: apt install systemd-container"

# The script that SSM runs on Linux.
step=$(make --no-print-directory -s sam-transform | python3 -c '
import json, sys
steps = json.load(sys.stdin)["Resources"]["AgentDocument"]["Properties"]["Content"]["mainSteps"]
print(*[s["inputs"]["runCommand"][0] for s in steps if s["name"] == "Linux"])')

# The clean system is made once; each trial gets a copy that vanishes.
root=$PWD/.cache/bookworm
if [ ! -e "$root/done" ]; then
	rm -rf "$root"
	debootstrap --variant=minbase --include=systemd,rpm,python3 bookworm "$root" >"$root.log" 2>&1 || missing "debootstrap: see $root.log"
	touch "$root/done"
fi

trial() {
	local unit out
	unit=$(mktemp) out=$(mktemp -d)
	echo "$step" >"$out/step"
	cat >"$unit" <<-END
		[Unit]
		Requires=multi-user.target
		After=multi-user.target
		SuccessAction=exit
		FailureAction=exit
		[Service]
		Type=oneshot
		ExecStart=/bin/sh /trial/$1.sh $2
		StandardOutput=file:/out/log
		StandardError=file:/out/log
		TimeoutStartSec=300
	END
	if systemd-nspawn --quiet --directory="$root" --ephemeral --private-network --register=no --keep-unit --bind-ro="$PWD/packaging/trial:/trial" \
		--bind-ro="$(realpath "$new"):/new" --bind-ro="$(realpath "$old"):/old" --bind-ro="$unit:/etc/systemd/system/trial.service" --bind="$out:/out" \
		--boot --console=pipe systemd.unit=trial.service </dev/null >"$out/console" 2>&1; then
		sed -n 's/^ok [^ ]/  &/p' "$out/log"
	else
		cat "$out/log" >&2 || cat "$out/console" >&2
		missing "$1 $2: the last step above is not as it should be"
	fi
	rm -rf "$unit" "$out"
}

for kind in deb rpm; do
	for product in agent relay; do
		echo "$product, $kind: install, upgrade, remove in a clean system"
		trial $product $kind
	done
done
