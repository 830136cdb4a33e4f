package template_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	agentconfig "github.com/yagura-hids/yagura/agent/config"
	"github.com/yagura-hids/yagura/agent/relay/config"
)

// relayParts are the resources of relays, without the alarm.
func relayParts(t *testing.T) (names []string) {
	t.Helper()
	for name := range resources(t) {
		if strings.HasPrefix(name, "Relay") {
			names = append(names, name)
		}
	}
	if len(names) < 10 {
		t.Fatalf("relays have %v", names)
	}
	return names
}

// Nothing of it is there unless somebody asks for relays: each resource has a condition that is false by default, and needs no other.
func TestRelaysAreOffByDefault(t *testing.T) {
	params := map[string]string{}
	for name, p := range dig(read(t), "Parameters").(object) {
		params[name] = say(dig(p, "Default"))
	}
	for _, name := range relayParts(t) {
		condition := say(dig(resources(t), name, "Condition"))
		if holds(t, object{"Condition": condition}, params) {
			t.Errorf("%s is there by default (%s)", name, condition)
		}
	}
	params["RelayVpc"] = "vpc-01234567"
	for condition, want := range map[string]bool{
		"Relays": true, "RelayEnrols": false, "RelayHearsTCP": false, "RelayHearsSyslog": false, "RelayHearsSyslogUDP": false, "RelayHearsSyslogTCP": false} {
		if got := holds(t, object{"Condition": condition}, params); got != want {
			t.Errorf("with a VPC alone, %s is %v", condition, got)
		}
	}
}

// holds evaluates a condition.
func holds(t *testing.T, value any, params map[string]string) bool {
	t.Helper()
	for name, arg := range value.(object) {
		args := list(arg)
		switch name {
		case "Condition":
			return holds(t, dig(read(t), "Conditions", say(arg)), params)
		case "Fn::Not":
			return !holds(t, args[0], params)
		case "Fn::And":
			return !slices.ContainsFunc(args, func(a any) bool { return !holds(t, a, params) })
		case "Fn::Equals":
			return params[say(dig(args[0], "Ref"))] == say(args[1])
		}
	}
	t.Fatalf("no condition that is understood here: %v", value)
	return false
}

// relayDeployments are what may be asked for, and the doors that are open then.
var relayDeployments = []struct {
	params map[string]string
	doors  []string // from the load balancer to the relays, beside the health check
}{
	{nil, []string{"udp 1514"}},
	{map[string]string{"RelayAgentProtocol": "TCP_UDP", "RelayPassword": "/yagura/enrol"}, []string{"tcp 1514", "tcp 1515", "udp 1514"}},
	{map[string]string{"RelaySyslogs": "192.0.2.0/24"}, []string{"udp 1514", "udp 514"}},
	{map[string]string{"RelaySyslogs": "192.0.2.0/24", "RelaySyslogProtocol": "TCP"}, []string{"tcp 514", "udp 1514"}},
	{map[string]string{"RelaySyslogs": "192.0.2.0/24", "RelaySyslogProtocol": "TCP_UDP"}, []string{"tcp 514", "udp 1514", "udp 514"}},
}

// with returns the template's parameters, with those given.
func with(t *testing.T, given map[string]string) map[string]string {
	t.Helper()
	params := map[string]string{}
	for name, p := range dig(read(t), "Parameters").(object) {
		params[name] = say(dig(p, "Default"))
	}
	params["RelayVpc"], params["RelaySubnets"], params["AgentBucket"] = "vpc-01234567", "subnet-01234567", "packages"
	for name, value := range given {
		if !regexp.MustCompile(say(dig(read(t), "Parameters", name, "AllowedPattern"))).MatchString(value) && dig(read(t), "Parameters", name, "AllowedPattern") != nil {
			t.Errorf("%s may not be %s", name, value)
		}
		params[name] = value
	}
	return params
}

// What the load balancer listens to, what the security groups let through, and what the relay's configuration says, are the same.
func TestRelayDoors(t *testing.T) {
	for _, d := range relayDeployments {
		params := with(t, d.params)
		conf := relayConf(t, params)
		health := fmt.Sprint("tcp ", conf.Relay.HealthPort)
		for name, got := range map[string][]string{
			"listeners":           listeners(t, params),
			"RelayBalancerAccess": rules(t, "RelayBalancerAccess", params),
			"RelayAccess":         slices.DeleteFunc(rules(t, "RelayAccess", params), func(door string) bool { return door == health }),
			"relay.conf":          doors(conf),
		} {
			if diff := cmp.Diff(d.doors, got); diff != "" {
				t.Errorf("%v: %s: %s", d.params, name, diff)
			}
		}
		if !slices.Contains(rules(t, "RelayAccess", params), health) {
			t.Errorf("%v: the health check can't come in", d.params)
		}
	}
}

// listeners returns the protocols and ports of the load balancer. A listener forwards to the targets of the same port and protocol.
func listeners(t *testing.T, params map[string]string) (found []string) {
	t.Helper()
	for _, name := range ofType(t, "AWS::ElasticLoadBalancingV2::Listener") {
		p := properties(t, name)
		to := say(dig(list(p["DefaultActions"])[0], "TargetGroupArn"))
		target := properties(t, to)
		condition := dig(resources(t), name, "Condition")
		if say(target["Port"]) != say(p["Port"]) || say(target["Protocol"]) != say(p["Protocol"]) || dig(resources(t), to, "Condition") != condition {
			t.Errorf("%s and %s differ", name, to)
		}
		if !holds(t, object{"Condition": condition}, params) {
			continue
		}
		protocol := say(p["Protocol"])
		if value, ok := params[protocol]; ok {
			protocol = value
		}
		for one := range strings.SplitSeq(protocol, "_") {
			found = append(found, strings.ToLower(one)+" "+say(p["Port"]))
		}
	}
	slices.Sort(found)
	return found
}

// rules returns what a security group lets in.
func rules(t *testing.T, group string, params map[string]string) (found []string) {
	t.Helper()
	for _, rule := range list(properties(t, group)["SecurityGroupIngress"]) {
		if either := list(dig(rule, "Fn::If")); len(either) == 3 {
			if !holds(t, object{"Condition": either[0]}, params) {
				continue
			}
			rule = either[1]
		}
		if say(dig(rule, "FromPort")) != say(dig(rule, "ToPort")) {
			t.Errorf("%s lets more than a port in: %v", group, rule)
		}
		from := say(dig(rule, "CidrIp")) + say(dig(rule, "SourceSecurityGroupId"))
		want := map[bool]string{true: "RelaySyslogsnull", false: "RelayAgentsnull"}[say(dig(rule, "FromPort")) == "514"]
		if group == "RelayAccess" {
			want = "nullRelayBalancerAccess"
		}
		if from != want {
			t.Errorf("%s lets %s in from %s", group, say(dig(rule, "FromPort")), from)
		}
		found = append(found, say(dig(rule, "IpProtocol"))+" "+say(dig(rule, "FromPort")))
	}
	slices.Sort(found)
	return found
}

// doors returns what a relay with that configuration listens to.
func doors(c *config.Config) (found []string) {
	for _, l := range c.Remotes {
		if l.UDP {
			found = append(found, fmt.Sprint("udp ", l.Port))
		}
		if l.TCP {
			found = append(found, fmt.Sprint("tcp ", l.Port))
		}
	}
	if c.Auth.Enabled {
		found = append(found, fmt.Sprint("tcp ", c.Auth.Port))
	}
	slices.Sort(found)
	return found
}

// A relay sees hosts' own addresses, to which keys are bound, and a host stays with it.
func TestRelayTargets(t *testing.T) {
	for _, name := range ofType(t, "AWS::ElasticLoadBalancingV2::TargetGroup") {
		p := properties(t, name)
		attributes := map[string]string{}
		for _, a := range list(p["TargetGroupAttributes"]) {
			attributes[say(dig(a, "Key"))] = say(dig(a, "Value"))
		}
		want := map[string]string{
			"stickiness.enabled": "true", "stickiness.type": "source_ip", "preserve_client_ip.enabled": "true",
			"deregistration_delay.timeout_seconds": "120", "deregistration_delay.connection_termination.enabled": "true",
		}
		if diff := cmp.Diff(want, attributes); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if say(p["TargetType"]) != "instance" || say(p["HealthCheckProtocol"]) != "HTTP" || say(p["HealthCheckPort"]) != "1516" {
			t.Errorf("%s: %v", name, p)
		}
		if !strings.Contains(say(properties(t, "RelayGroup")["TargetGroupARNs"]), `"`+name+`"`) {
			t.Errorf("no relay is in %s", name)
		}
	}
	for name, p := range dig(read(t), "Parameters").(object) {
		for _, protocol := range list(dig(p, "AllowedValues")) {
			if strings.HasSuffix(name, "Protocol") && !slices.Contains([]any{"TCP", "UDP", "TCP_UDP"}, protocol) {
				t.Errorf("%s: a network load balancer knows no %v", name, protocol)
			}
		}
	}
}

// What a relay calls, and the rights that it takes.
var relayNeeds = map[string][]string{
	"kinesis.PutRecords":          {"kinesis:PutRecords Stream.Arn"},
	"dynamodb.BatchGetItem":       {"dynamodb:BatchGetItem FleetTable.Arn"},
	"dynamodb.Query":              {"dynamodb:Query FleetTable.Arn"},
	"dynamodb.PutItem":            {"dynamodb:PutItem FleetTable.Arn"},
	"dynamodb.TransactWriteItems": {"dynamodb:PutItem FleetTable.Arn", "dynamodb:ConditionCheckItem FleetTable.Arn"},
	"ssm.GetParameter":            {"ssm:GetParameter arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${RelayPassword}"},
	"ssm.GetParametersByPath":     {}, // central configuration is the agent's; a relay has none
}

// A relay may do what its code does, and what its instance does to get it.
func TestRelayActions(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(maps.Keys(relayNeeds)), callsOf(t, "agent/relay/cmd")); diff != "" {
		t.Errorf("calls of the SDK that relayNeeds knows, and that the code has: %s", diff)
	}
	want := []string{
		"s3:GetObject arn:${AWS::Partition}:s3:::${AgentBucket}/yagura-agent/*",
		"cloudformation:SignalResource arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/${AWS::StackName}/*",
	}
	for _, rights := range relayNeeds {
		want = append(want, rights...)
	}
	slices.Sort(want)
	if diff := cmp.Diff(slices.Compact(want), granted(t, "RelayRole")); diff != "" {
		t.Errorf("rights it needs, and that template.yaml grants: %s", diff)
	}
}

// An instance is held as it should be.
func TestRelayInstances(t *testing.T) {
	data := dig(properties(t, "RelayTemplate"), "LaunchTemplateData")
	disk := dig(list(dig(data, "BlockDeviceMappings"))[0], "Ebs")
	if say(dig(data, "MetadataOptions", "HttpTokens")) != "required" || dig(disk, "Encrypted") != true || say(dig(disk, "VolumeType")) != "gp3" ||
		say(dig(disk, "VolumeSize")) != "RelayDisk" {
		t.Errorf("%v", data)
	}
	if got := say(dig(data, "ImageId")); got != "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64" {
		t.Errorf("image %s", got)
	}
	for kind, want := range map[string]bool{"t4g.small": true, "c7gn.2xlarge": true, "im4gn.large": true, "t3.small": false, "g5.xlarge": false, "m7i.large": false} {
		if regexp.MustCompile(say(dig(read(t), "Parameters", "RelayInstanceType", "AllowedPattern"))).MatchString(kind) != want {
			t.Errorf("%s", kind)
		}
	}
	most := dig(read(t), "Parameters", "RelayCount", "MaxValue").(float64)
	if got := say(properties(t, "RelayGroup")["MaxSize"]); got != fmt.Sprint(most+1) {
		t.Errorf("the group may have %s instances, RelayCount %v: there must be one more, for replacing", got, most)
	}
	if got := say(properties(t, "RelayGroup")["HealthCheckType"]); got != "EC2" {
		t.Errorf("%s would end relays with what is on their disks", got)
	}
}

// userData returns the script that an instance starts with.
func userData(t *testing.T, params map[string]string) string {
	t.Helper()
	script := say(dig(properties(t, "RelayTemplate"), "LaunchTemplateData", "UserData", "Fn::Base64"))
	values := map[string]string{"AWS::Region": region, "AWS::StackName": "yagura", "Stream": "yagura", "FleetTable": "yagura-fleet"}
	return regexp.MustCompile(`\$\{[^}]+\}`).ReplaceAllStringFunc(script, func(v string) string {
		name := strings.Trim(v, "${}")
		if value, ok := params[name]; ok {
			return value
		}
		if values[name] == "" {
			t.Errorf("the script has %s, which is nothing", v)
		}
		return values[name]
	})
}

const relayRPM = "yagura-relay-" + version + "-1.aarch64.rpm"

// newInstance returns a host like an instance that has been launched, with a bucket that has the relay's package.
func newInstance(t *testing.T) *host {
	t.Helper()
	h := newHost(t, map[string]string{
		"aws": "case \"$1 $2\" in\n's3 cp') cp \"$HOST/bucket/${4#s3://packages/}\" \"$5\" ;;\n*) " + called + " ;;\nesac\n",
		"rpm": called, "systemctl": called, "curl": called,
	})
	folder := "bucket/yagura-agent/" + version
	if err := os.MkdirAll(filepath.Join(h.dir, folder), 0o755); err != nil {
		t.Fatal(err)
	}
	h.write(t, "bucket/yagura-agent/latest", version+"\n")
	h.write(t, folder+"/"+relayRPM, "the program")
	sums := exec.CommandContext(t.Context(), "sha256sum", relayRPM)
	sums.Dir = filepath.Join(h.dir, folder)
	out, err := sums.Output()
	if err != nil {
		t.Fatal(err)
	}
	h.write(t, folder+"/SHA256SUMS", "0000  yagura-agent_"+version+"_amd64.deb\n"+string(out))
	return h
}

// launch runs the script that an instance starts with.
func (h *host) launch(t *testing.T, params map[string]string) (said string, calls []string, err error) {
	t.Helper()
	script := strings.NewReplacer("/etc/yagura", filepath.Join(h.dir, "etc", "yagura"), "/var/lib/cloud/data/", h.dir+"/").Replace(userData(t, params))
	h.write(t, "instance-id", "i-1\n")
	h.write(t, "called", "")
	sh := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
	sh.Env = []string{"PATH=" + filepath.Join(h.dir, "bin"), "HOST=" + h.dir}
	out, err := sh.CombinedOutput()
	return string(out), strings.Split(strings.TrimSpace(h.read(t, "called")), "\n"), err
}

// relayConf returns the configuration that an instance writes for itself.
func relayConf(t *testing.T, params map[string]string) *config.Config {
	t.Helper()
	h := newInstance(t)
	if said, _, err := h.launch(t, params); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	conf, err := config.Read(filepath.Join(h.dir, "etc", "yagura", "relay.conf"))
	if err != nil {
		t.Fatalf("%v\n%s", err, h.read(t, "etc/yagura/relay.conf"))
	}
	if len(conf.Unused) > 0 {
		t.Errorf("without effect: %v", conf.Unused)
	}
	return conf
}

func TestRelayLaunch(t *testing.T) {
	h := newInstance(t)
	said, calls, err := h.launch(t, with(t, map[string]string{"RelayPassword": "/yagura/enrol", "RelaySyslogs": "192.0.2.0/24", "RelayDisk": "20"}))
	want := []string{"rpm --upgrade --nosignature " + relayRPM, "systemctl enable --now yagura-relay"}
	if err != nil || len(calls) != 4 || !slices.Equal(calls[:2], want) || !strings.HasPrefix(calls[2], "curl ") || !strings.HasSuffix(calls[2], " http://127.0.0.1:1516/") ||
		calls[3] != "aws cloudformation signal-resource --stack-name yagura --logical-resource-id RelayGroup --unique-id i-1 --status SUCCESS" {
		t.Fatalf("%v\n%s\n%q", err, said, calls)
	}
	got, err := config.Read(filepath.Join(h.dir, "etc", "yagura", "relay.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&config.Config{
		Remotes: []config.Remote{
			{UDP: true, Port: 1514, Ciphers: config.Both},
			{Syslog: true, UDP: true, Port: 514, Ciphers: config.Both, Allowed: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		},
		Auth:   config.Auth{Enabled: true, Port: 1515, Password: "ssm:/yagura/enrol"},
		Client: agentconfig.Client{Uplink: "kinesis:yagura", Region: region, SpoolSize: 14 << 30},
		Relay:  config.Relay{Fleet: "yagura-fleet", HealthPort: 1516},
	}, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// An instance that fails says so, and a deployment goes back at once.
func TestRelayLaunchFails(t *testing.T) {
	for name, change := range map[string]func(h *host){
		"another package": func(h *host) { h.write(t, "bucket/yagura-agent/"+version+"/"+relayRPM, "some other program") },
		"no sum":          func(h *host) { h.write(t, "bucket/yagura-agent/"+version+"/SHA256SUMS", "") },
		"no start":        func(h *host) { h.write(t, "bin/systemctl", "#!/bin/sh\nexit 1\n") },
		"no health":       func(h *host) { h.write(t, "bin/curl", "#!/bin/sh\nexit 22\n") },
	} {
		h := newInstance(t)
		change(h)
		said, calls, err := h.launch(t, with(t, nil))
		if err == nil || !strings.HasSuffix(calls[len(calls)-1], " --status FAILURE") {
			t.Errorf("%s: %v\n%s\n%q", name, err, said, calls)
		}
	}
}
