#!/bin/sh
# What becomes of the relay when its packages come and go; test.sh has booted a system for it. relay.sh deb|rpm ends at the first thing that is not as
# it should be, and its output is read then.
set -eu
kind=$1
conf=/etc/yagura/relay.conf state=/var/lib/yagura-relay
. /trial/words.sh

install() { # of the packages in a folder
	case $kind in
	deb) dpkg --force-confdef --force-confold -i "$1"/yagura-relay_*_amd64.deb ;;
	rpm) rpm -U "$1"/yagura-relay-*.x86_64.rpm ;;
	esac
}
remove() { if [ $kind = deb ]; then dpkg -r yagura-relay; else rpm -e yagura-relay; fi; }
pid() { systemctl show --property=MainPID --value yagura-relay; }
answers() { yagura-relay status --json; }
healthy() { python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:1516/", timeout=5)'; }
syslog() { python3 -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), ("127.0.0.1", 514))' "$1"; }

said=$(install /old)
echo "$said" | must grep -q "say in $conf where events go"
must systemctl is-enabled yagura-relay
never systemctl is-active yagura-relay
must id yagura-relay
must test -s /usr/lib/sysctl.d/60-yagura-relay.conf
step "installed: enabled, with a user of its own, and not started before it knows where events go"

# DynamoDB has an empty table; elsewhere it would be reached by the instance's role.
python3 /trial/amazon.py &
await python3 -c 'import socket; socket.create_connection(("127.0.0.1", 8000))'
mkdir -p /etc/systemd/system/yagura-relay.service.d
printf '[Service]\nEnvironment=AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b AWS_ENDPOINT_URL=http://127.0.0.1:8000\n' >/etc/systemd/system/yagura-relay.service.d/aws.conf
cat >$conf <<END
<ossec_config>
  <client><uplink>file:$state/out</uplink><region>eu-central-1</region><gather>1</gather></client>
  <relay><fleet>dynamodb:yagura-fleet</fleet><health_port>1516</health_port></relay>
  <remote><connection>secure</connection></remote>
  <remote><connection>syslog</connection><allowed-ips>127.0.0.1</allowed-ips></remote>
  <auth><password>file:$state/authd.pass</password></auth>
</ossec_config>
END
systemctl daemon-reload
must systemctl start yagura-relay
await answers
await healthy
must test "$(ps_user "$(pid)")" = yagura-relay
syslog '<38>Nov 25 01:30:00 router1 sshd[1]: hello'
await sh -c "ls $state/out | grep -q ygr"
must test "$(stat -c %a%U $state)" = 700yagura-relay
must test "$(stat -c %a $state/authd.pass)" = 600
must test "$(yagura-relay version)" = "yagura-relay 0.0.0"
never sh -c 'journalctl -u yagura-relay | grep -i -e "permission denied" -e "not permitted" -e "read-only"'
before=$(pid)
step "started: as its own user it hears syslog at port 514, and sends it on"

kill -9 "$before"
await sh -c "[ \$(systemctl show --property=MainPID --value yagura-relay) -gt 0 ]"
await healthy
step "killed, it came back"

before=$(pid) inode=$(stat -c %i $state/relay.db)
install /new
never test "$(yagura-relay version)" = "yagura-relay 0.0.0"
await healthy
never test "$(pid)" = "$before"
must grep -q "file:$state/out" $conf
must test "$(stat -c %i $state/relay.db)" = "$inode"
step "upgraded: restarted, configuration and state as they were"

sed -i 's/<gather>1/<gather>no/' $conf
systemctl restart yagura-relay || true
await sh -c 'test "$(systemctl show --property=Result --value yagura-relay)" = exit-code && ! systemctl is-active yagura-relay'
journalctl -u yagura-relay | must grep -q "relay.conf:2:"
sed -i 's/<gather>no/<gather>1/' $conf
systemctl start yagura-relay
await healthy
step "with a faulty configuration it says where, and is not tried again and again"

remove
never test -e /usr/bin/yagura-relay
never systemctl is-active yagura-relay
must test "$(stat -c %i $state/relay.db)" = "$inode"
if [ $kind = rpm ]; then mv $conf.rpmsave $conf; fi
must grep -q "file:$state/out" $conf
step "removed: configuration and state stay"

install /new
await healthy
must systemctl is-enabled yagura-relay
must test "$(stat -c %i $state/relay.db)" = "$inode"
step "installed again: it goes on where it was"

remove
rm -r /etc/systemd/system/yagura-relay.service.d
if [ $kind = deb ]; then
	dpkg -P yagura-relay
	left=$(find /etc /opt /run /srv /tmp /usr /var -path /var/log -prune -o -name '*yagura*' -print) # dpkg's log tells of it
	must test "$left" = ""
	step "purged: nothing is left but the user, whose files may be elsewhere"
fi
