package template_test

import (
	"slices"
	"strings"
	"testing"
)

// metrics are those of AWS that alarms may look at, and the dimension by which they find the resource. An alarm on a metric that doesn't exist
// is never raised, and nothing else tells.
var metrics = map[string]struct {
	dimension, kind string
	names           []string
}{
	"AWS/Lambda": {"FunctionName", "AWS::Lambda::Function", []string{
		"Errors", "Throttles", "IteratorAge", "Duration", "Invocations", "DestinationDeliveryFailures", "ConcurrentExecutions"}},
	"AWS/Lambda mapping": {"EventSourceMappingUUID", "AWS::Lambda::EventSourceMapping", []string{ // only with MetricsConfig
		"PolledEventCount", "FilteredOutEventCount", "InvokedEventCount", "FailedInvokeEventCount", "DroppedEventCount",
		"OnFailureDestinationDeliveredEventCount"}},
	"AWS/DynamoDB": {"TableName", "AWS::DynamoDB::Table", []string{"WriteThrottleEvents", "ReadThrottleEvents", "SystemErrors"}},
	"AWS/Kinesis": {"StreamName", "AWS::Kinesis::Stream", []string{
		"WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded", "GetRecords.IteratorAgeMilliseconds"}},
	"AWS/NetworkELB": {"LoadBalancer", "AWS::ElasticLoadBalancingV2::LoadBalancer", []string{"HealthyHostCount", "UnHealthyHostCount"}}, // by TargetGroup, too
}

// metric is what an alarm looks at.
type metric struct{ namespace, name, dimension, resource string }

// looksAt returns the metrics of an alarm.
func looksAt(p object) []metric {
	var found []metric
	add := func(m any) {
		got := metric{namespace: say(dig(m, "Namespace")), name: say(dig(m, "MetricName"))}
		for _, d := range list(dig(m, "Dimensions")) {
			got.dimension = say(dig(d, "Name"))
			got.resource, _, _ = strings.Cut(say(dig(d, "Value")), ".") // of a name, or of an attribute
		}
		found = append(found, got)
	}
	if p["MetricName"] != nil {
		add(p)
	}
	for _, m := range list(p["Metrics"]) {
		if stat := dig(m, "MetricStat", "Metric"); stat != nil {
			add(stat)
		}
	}
	return found
}

func TestAlarmsLookAtWhatThereIs(t *testing.T) {
	own := map[metric]bool{}
	for _, name := range ofType(t, "AWS::Logs::MetricFilter") {
		for _, m := range list(properties(t, name)["MetricTransformations"]) {
			own[metric{namespace: say(dig(m, "MetricNamespace")), name: say(dig(m, "MetricName"))}] = true
		}
	}
	for _, name := range ofType(t, "AWS::CloudWatch::Alarm") {
		p := properties(t, name)
		looked := looksAt(p)
		if len(looked) == 0 {
			t.Errorf("%s looks at nothing", name)
		}
		for _, m := range looked {
			if !own[m] {
				checkMetric(t, name, m)
			}
		}
		if !slices.ContainsFunc(list(p["AlarmActions"]), func(a any) bool { return say(a) == "AlertsTopic" }) || say(p["AlarmDescription"]) == "" {
			t.Errorf("%s tells nobody, or not what to do", name)
		}
	}
}

func checkMetric(t *testing.T, alarm string, m metric) {
	t.Helper()
	group := m.namespace
	if m.dimension == "EventSourceMappingUUID" {
		group += " mapping"
		if say(dig(properties(t, m.resource), "MetricsConfig", "Metrics")) != `["EventCount"]` {
			t.Errorf("%s: %s has these metrics only with MetricsConfig", alarm, m.resource)
		}
	}
	known, ok := metrics[group]
	if !ok || m.dimension != known.dimension || !slices.Contains(known.names, m.name) {
		t.Errorf("%s: AWS has no metric %+v", alarm, m)
	}
	if kind := say(dig(resources(t), m.resource, "Type")); kind != known.kind {
		t.Errorf("%s: %s is %s, not %s", alarm, m.resource, kind, known.kind)
	}
}

// What must not go unnoticed.
func TestAlarmsMissNothing(t *testing.T) {
	var seen []metric
	for _, name := range ofType(t, "AWS::CloudWatch::Alarm") {
		seen = append(seen, looksAt(properties(t, name))...)
	}
	for _, want := range []metric{
		{"AWS/Lambda", "Errors", "FunctionName", "AnalyzeFunction"},
		{"AWS/Lambda", "Throttles", "FunctionName", "AnalyzeFunction"},
		{"AWS/Lambda", "IteratorAge", "FunctionName", "AnalyzeFunction"},
		{"AWS/Lambda", "Errors", "FunctionName", "NotifyFunction"},
		{"AWS/Lambda", "IteratorAge", "FunctionName", "NotifyFunction"},
		{"AWS/Lambda", "Errors", "FunctionName", "MaintenanceFunction"},
		{"AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", "AnalyzeFunctionRecords"},
		{"AWS/Lambda", "OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", "NotifyFunctionAlerts"},
		{"AWS/Lambda", "DroppedEventCount", "EventSourceMappingUUID", "AnalyzeFunctionRecords"},
		{"AWS/DynamoDB", "WriteThrottleEvents", "TableName", "AlertsTable"},
		{"AWS/DynamoDB", "WriteThrottleEvents", "TableName", "StateTable"},
		{"AWS/DynamoDB", "ReadThrottleEvents", "TableName", "StateTable"},
		{"AWS/NetworkELB", "UnHealthyHostCount", "LoadBalancer", "RelayBalancer"},
		{"Yagura/${AWS::StackName}", "RecordsSetAside", "", ""},
	} {
		if !slices.Contains(seen, want) {
			t.Errorf("no alarm looks at %+v", want)
		}
	}
}

// Alarms reach the topic only if its policy and its key let CloudWatch in.
func TestAlarmsReachTheTopic(t *testing.T) {
	for _, policy := range []any{properties(t, "AlertsTopicPolicy")["PolicyDocument"], properties(t, "TopicKey")["KeyPolicy"]} {
		ok := slices.ContainsFunc(list(dig(policy, "Statement")), func(s any) bool {
			return say(dig(s, "Principal", "Service")) == "cloudwatch.amazonaws.com" && dig(s, "Effect") == "Allow"
		})
		if !ok {
			t.Errorf("CloudWatch isn't let in by %v", policy)
		}
	}
}
