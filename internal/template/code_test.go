package template_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yagura-hids/yagura/internal/alertstore"
	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/fleet"
	"github.com/yagura-hids/yagura/internal/handler"
	"github.com/yagura-hids/yagura/internal/statestore"
	"github.com/yagura-hids/yagura/internal/table"
)

// The variables that a function reads are those that the template sets.
func TestEnvironment(t *testing.T) {
	for function, read := range map[string]func(getenv func(string) string) error{
		"AnalyzeFunction":     func(getenv func(string) string) error { _, err := handler.ReadAnalyzeEnv(getenv); return err },
		"NotifyFunction":      func(getenv func(string) string) error { _, err := handler.ReadNotifyEnv(getenv); return err },
		"MaintenanceFunction": func(getenv func(string) string) error { _, err := handler.ReadMaintenanceEnv(getenv); return err },
	} {
		asked, set := map[string]bool{}, dig(properties(t, function), "Environment", "Variables").(object)
		err := read(func(name string) string {
			if strings.HasPrefix(name, "LAMBDA_") {
				return "" // Lambda's own
			}
			asked[name] = true
			return defaultOf(t, set[name])
		})
		if err != nil {
			t.Errorf("%s with the template's defaults: %v", function, err)
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(asked)), slices.Sorted(maps.Keys(set))); diff != "" {
			t.Errorf("%s: variables it reads, and that template.yaml sets: %s", function, diff)
		}
	}
}

// defaultOf returns what a variable is if no parameter is given, the name of the resource for one that refers to it.
func defaultOf(t *testing.T, value any) string {
	t.Helper()
	if value == nil {
		return ""
	}
	name := say(value)
	if p := dig(read(t), "Parameters", name, "Default"); p != nil {
		return say(p)
	}
	return name
}

// Numbers that the template lets through are numbers that the function takes.
func TestEnvironmentBounds(t *testing.T) {
	set := dig(properties(t, "AnalyzeFunction"), "Environment", "Variables").(object)
	for variable, value := range set {
		p, ok := dig(read(t), "Parameters", say(value)).(object)
		if !ok {
			continue
		}
		for _, bound := range []any{p["MinValue"], p["MaxValue"]} {
			_, err := handler.ReadAnalyzeEnv(func(name string) string {
				if name == variable {
					return say(bound)
				}
				return defaultOf(t, set[name])
			})
			if err != nil {
				t.Errorf("%s lets %s through: %v", say(value), say(bound), err)
			}
		}
	}
}

// A table is what its user says it is.
func TestTables(t *testing.T) {
	for name, schema := range map[string]*table.Schema{
		"AlertsTable": alertstore.Schema, "StateTable": statestore.Schema, "FleetTable": fleet.Schema,
	} {
		p := properties(t, name)
		got := table.Schema{Name: strings.TrimPrefix(say(p["TableName"]), "${AWS::StackName}-"), Expires: say(dig(p, "TimeToLiveSpecification", "AttributeName"))}
		got.Partition, got.Sort = keys(p["KeySchema"])
		for _, i := range list(p["GlobalSecondaryIndexes"]) {
			index := table.Index{Name: say(dig(i, "IndexName"))}
			index.Partition, index.Sort = keys(dig(i, "KeySchema"))
			for _, field := range list(dig(i, "Projection", "NonKeyAttributes")) {
				index.Projected = append(index.Projected, say(field))
			}
			got.Indexes = append(got.Indexes, index)
		}
		if diff := cmp.Diff(*schema, got); diff != "" {
			t.Errorf("%s, in the code and in template.yaml: %s", name, diff)
		}
	}
}

func keys(schema any) (partition, sort string) {
	for _, k := range list(schema) {
		if dig(k, "KeyType") == "HASH" {
			partition = say(dig(k, "AttributeName"))
		} else {
			sort = say(dig(k, "AttributeName"))
		}
	}
	return partition, sort
}

// Notify is called for alerts that are marked, when they are stored, and for nothing else; and it gets what it reads.
func TestFilter(t *testing.T) {
	if got := say(dig(properties(t, "AlertsTable"), "StreamSpecification", "StreamViewType")); got != "NEW_IMAGE" {
		t.Errorf("the stream brings %s; notify reads the new image", got)
	}
	mapping := properties(t, "NotifyFunctionAlerts")
	if got := say(mapping["EventSourceArn"]); got != "AlertsTable.StreamArn" {
		t.Errorf("notify is called for %s", got)
	}
	filters := list(dig(mapping, "FilterCriteria", "Filters"))
	if len(filters) != 1 {
		t.Fatalf("filters %v", filters)
	}
	var pattern object
	if err := json.Unmarshal([]byte(say(dig(filters[0], "Pattern"))), &pattern); err != nil {
		t.Fatalf("%v in %v", err, filters[0])
	}
	for _, c := range []struct {
		name string
		mail bool
		want bool
	}{{"INSERT", true, true}, {"INSERT", false, false}, {"MODIFY", true, false}, {"REMOVE", true, false}} {
		if got := matches(pattern, record(t, c.name, c.mail)); got != c.want {
			t.Errorf("%+v: called %v", c, got)
		}
	}
}

// record is what the stream brings of an alert's item.
func record(t *testing.T, name string, mail bool) object {
	t.Helper()
	id := event.ID{Agent: "web1", Epoch: 1, Seq: 1}
	a := &event.Alert{ID: id.AlertID(1), Event: id, Time: time.Unix(1_795_428_008, 0), Rule: event.Rule{ID: 1, Level: 7, Mail: mail}}
	op, err := alertstore.Put(a, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	image := object{}
	for field := range op.Item {
		if s := op.Item.String(field); s != "" {
			image[field] = object{"S": s}
		}
	}
	if image["alert"] == nil {
		t.Fatalf("the item has no alert, which notify reads: %v", op.Item)
	}
	return object{"eventName": name, "dynamodb": object{"NewImage": image}}
}

// matches tells whether Lambda's pattern of exact values fits.
func matches(pattern, value any) bool {
	if want, ok := pattern.([]any); ok {
		return slices.Contains(want, value)
	}
	for name, p := range pattern.(object) {
		if !matches(p, dig(value, name)) {
			return false
		}
	}
	return true
}
