#!/bin/sh
# What becomes of the agent when its packages come and go, by hand and through SSM; test.sh has booted a system for it. agent.sh deb|rpm ends at
# the first thing that is not as it should be, and its output is read then.
set -eu
kind=$1
conf=/etc/yagura/ossec.conf state=/var/lib/yagura-agent

. /trial/words.sh

install() { # of the packages in a folder; with --oldpackage, instead of a later one
	case $kind in
	deb) dpkg --force-confdef --force-confold -i "$1"/yagura-agent_*_amd64.deb ;;
	rpm) rpm -U ${2-} "$1"/yagura-agent-*.x86_64.rpm ;;
	esac
}
remove() { if [ $kind = deb ]; then dpkg -r yagura-agent; else rpm -e yagura-agent; fi; }
pid() { systemctl show --property=MainPID --value yagura-agent; }
answers() { yagura-agent status --json; }

said=$(install /old)
echo "$said" | must grep -q "say in $conf where events go"
must systemctl is-enabled yagura-agent
never systemctl is-active yagura-agent
must test "$(stat -c %a $conf)" = 640
must test "$(stat -c %a%U /usr/bin/yagura-agent)" = 755root
step "installed: enabled, and not started before it knows where events go"

printf 'one\n' >/var/log/private.log # somebody else's, and nobody else may read it
chown nobody /var/log/private.log
chmod 600 /var/log/private.log
cat >>$conf <<END
<ossec_config>
  <client><uplink>file:$state/out</uplink></client>
  <localfile><log_format>syslog</log_format><location>/var/log/private.log</location></localfile>
  <localfile><log_format>command</log_format><command>mktemp</command><frequency>1</frequency></localfile>
</ossec_config>
END
must yagura-agent check
must systemctl start yagura-agent
await answers
await sh -c "ls -l /proc/$(pid)/fd | grep -q /var/log/private.log"
await sh -c "ls $state/out | grep -q ygr"
never sh -c 'journalctl -u yagura-agent | grep -i -e "permission denied" -e "not permitted" -e "read-only"'
must test "$(stat -c %a%U $state)" = 700root
must test -s $state/agent.db
must test "$(yagura-agent version)" = "yagura-agent 0.0.0"
before=$(pid)
step "started: it answers, reads what others may not, with its state in $state"

must systemctl reload yagura-agent
await answers
must test "$(pid)" = "$before"
kill -9 "$before"
await sh -c "[ \$(systemctl show --property=MainPID --value yagura-agent) -gt 0 ]"
await answers
step "reloaded in place; killed, it came back"

before=$(pid) inode=$(stat -c %i $state/agent.db)
install /new
never test "$(yagura-agent version)" = "yagura-agent 0.0.0"
await answers
never test "$(pid)" = "$before"
must grep -q "file:$state/out" $conf
must test "$(stat -c %i $state/agent.db)" = "$inode"
step "upgraded: restarted, configuration and state as they were"

systemctl stop yagura-agent
systemctl disable yagura-agent
install /old --oldpackage
must test "$(systemctl is-active yagura-agent)" = inactive
never systemctl is-enabled yagura-agent
step "back to the version before; what was stopped and disabled stays so"

systemctl enable --now yagura-agent
await answers
remove
never test -e /usr/bin/yagura-agent
never systemctl is-active yagura-agent
must test "$(stat -c %i $state/agent.db)" = "$inode"
if [ $kind = rpm ]; then mv $conf.rpmsave $conf; fi
must grep -q "file:$state/out" $conf
step "removed: configuration and state stay"

install /new
await answers
must systemctl is-enabled yagura-agent
must test "$(stat -c %i $state/agent.db)" = "$inode"
step "installed again: it goes on where it was"

remove
if [ $kind = deb ]; then
	dpkg -P yagura-agent
	left=$(find /etc /opt /run /srv /tmp /usr /var -path /var/log -prune -o -name '*yagura*' -print) # dpkg's log tells of it
	must test "$left" = ""
	step "purged: nothing is left"
fi

# ssm ACTION VERSION runs the step for Linux of the template's document.
export AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:8000 AWS_ENDPOINT_URL_S3=http://127.0.0.1:8000
ssm() {
	sed -e "s/{{ Action }}/$1/" -e "s/{{ Version }}/$2/" -e 's/{{ Bucket }}/packages/' -e 's/{{ Region }}/eu-central-1/' \
		-e "s|{{ Uplink }}|file:$state/out|" -e 's|{{ Central }}|/yagura/agents|' /out/step >/tmp/step
	must sh /tmp/step
}
rm -rf /etc/yagura $state
python3 /trial/amazon.py &
await python3 -c 'import socket; socket.create_connection(("127.0.0.1", 8000))'

ssm upgrade latest
never test -e /usr/bin/yagura-agent
ssm install 0.0.0
await answers
must test "$(yagura-agent version)" = "yagura-agent 0.0.0"
must grep -q "file:$state/out" $conf
must systemctl is-enabled yagura-agent
cp $conf /tmp/before
before=$(pid)
ssm install 0.0.0
must test "$(pid)" = "$before"
step "installed through SSM: enabled, configured, started; and left alone the second time"

systemctl disable --now yagura-agent
ssm upgrade latest
await answers
never test "$(yagura-agent version)" = "yagura-agent 0.0.0"
ssm install 0.0.0
await answers
must test "$(yagura-agent version)" = "yagura-agent 0.0.0"
must cmp $conf /tmp/before
step "upgraded and brought back through SSM: started, though it was stopped; the configuration is as it was"

ssm remove latest
never test -e /usr/bin/yagura-agent
must test -s $state/agent.db
ssm install latest
await answers
step "removed and installed again through SSM"
