package template_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

var root = filepath.Join("..", "..")

// object is a part of the template, as JSON has it.
type object = map[string]any

// transformed returns the template as CloudFormation sees it. What is needed for that, the Makefile installs.
var transformed = sync.OnceValues(func() (object, error) {
	cmd := exec.Command("make", "-s", "--no-print-directory", "-C", root, "sam-transform")
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=") // "make test" may have called
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var t object
	return t, json.Unmarshal(out, &t)
})

func read(t *testing.T) object {
	t.Helper()
	all, err := transformed()
	if err != nil {
		t.Fatalf("make sam-transform: %v", err)
	}
	return all
}

func resources(t *testing.T) object { return dig(read(t), "Resources").(object) }

// properties returns a resource's properties.
func properties(t *testing.T, name string) object {
	t.Helper()
	props, ok := dig(resources(t), name, "Properties").(object)
	if !ok {
		t.Fatalf("the template has no %s", name)
	}
	return props
}

// dig goes down names and returns what is there, nil if there is nothing.
func dig(value any, names ...string) any {
	for _, name := range names {
		m, _ := value.(object)
		value = m[name]
	}
	return value
}

// list returns value as a list; a single one is a list of itself.
func list(value any) []any {
	if l, ok := value.([]any); ok {
		return l
	}
	if value == nil {
		return nil
	}
	return []any{value}
}

// say writes a value in short: resources by their names, as !Ref, !GetAtt and !Sub have them.
func say(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case object:
		if ref, ok := v["Ref"].(string); ok {
			return ref
		}
		if text, ok := v["Fn::Sub"].(string); ok {
			return text
		}
		if att := list(v["Fn::GetAtt"]); len(att) == 2 {
			return say(att[0]) + "." + say(att[1])
		}
	}
	text, _ := json.Marshal(value)
	return string(text)
}

// ofType returns the names of the resources of a type, sorted.
func ofType(t *testing.T, kind string) []string {
	t.Helper()
	var names []string
	for name, r := range resources(t) {
		if dig(r, "Type") == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		t.Fatalf("the template has no %s", kind)
	}
	return names
}

// source returns the template's file as a tree that still has its comments.
func source(t *testing.T) *yaml.Node {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Content[0]
}

// child returns the value under a name, and the node of the name itself.
func child(t *testing.T, n *yaml.Node, name string) *yaml.Node {
	t.Helper()
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	t.Fatalf("template.yaml has no %s", name)
	return nil
}

func TestEachResourceSaysWhatItsFailureCosts(t *testing.T) {
	all := child(t, source(t), "Resources").Content
	for i := 0; i < len(all); i += 2 {
		if comment := all[i].HeadComment; !strings.Contains(comment, "# If it ") {
			t.Errorf("template.yaml:%d: %s: say above it what is lost, and until when, if it fails; it says %q", all[i].Line, all[i].Value, comment)
		}
	}
}

func TestParameters(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(string(text), "\nConditions:")
	face := dig(read(t), "Metadata", "AWS::CloudFormation::Interface")
	var grouped []any
	for _, g := range list(dig(face, "ParameterGroups")) {
		grouped = append(grouped, list(dig(g, "Parameters"))...)
	}
	params := dig(read(t), "Parameters").(object)
	if len(params) < 5 || len(grouped) != len(params) {
		t.Fatalf("%d parameters, %d of them in groups", len(params), len(grouped))
	}
	for name, value := range params {
		p := value.(object)
		used := regexp.MustCompile(`!Ref ` + name + `\b|\$\{` + name + `\}`).MatchString(body)
		if !used {
			t.Errorf("%s is used by nothing", name)
		}
		if len(say(p["Description"])) < 30 || p["Default"] == nil || !slices.Contains(grouped, any(name)) || dig(face, "ParameterLabels", name) == nil {
			t.Errorf("%s: wants a description, a default, a group and a label", name)
		}
		bounded := p["AllowedValues"] != nil || p["AllowedPattern"] != nil || p["MinValue"] != nil && p["MaxValue"] != nil
		if !bounded {
			t.Errorf("%s takes anything", name)
		}
	}
}

func TestBuild(t *testing.T) {
	functions := ofType(t, "AWS::Lambda::Function")
	if len(functions) != 3 {
		t.Errorf("functions %v", functions)
	}
	for _, name := range functions {
		p := properties(t, name)
		if p["Runtime"] != "provided.al2023" || p["Handler"] != "bootstrap" || say(p["Architectures"]) != `["arm64"]` ||
			dig(resources(t), name, "Metadata", "BuildMethod") != "go1.x" {
			t.Errorf("%s: %v", name, p)
		}
	}
	if text, err := os.ReadFile(filepath.Join(root, "samconfig.toml")); err != nil || !strings.Contains(string(text), "\ncached = false") {
		t.Errorf("samconfig.toml must have cached = false: sam's cache sees no change under internal/ (%v)", err)
	}
}

// All that is kept, or on its way, is encrypted.
func TestEncryption(t *testing.T) {
	if got := say(dig(properties(t, "Stream"), "StreamEncryption", "EncryptionType")); got != "KMS" {
		t.Errorf("Stream: %s", got)
	}
	for _, name := range ofType(t, "AWS::DynamoDB::Table") {
		p := properties(t, name)
		if dig(p, "SSESpecification", "SSEEnabled") != true || dig(p, "PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled") != true ||
			p["BillingMode"] != "PAY_PER_REQUEST" {
			t.Errorf("%s: %v", name, p)
		}
	}
	for _, name := range ofType(t, "AWS::SNS::Topic") { // AWS's own key of SNS can't be used by alarms
		if got := say(properties(t, name)["KmsMasterKeyId"]); got != "TopicKey" {
			t.Errorf("%s: %s", name, got)
		}
	}
	for _, name := range ofType(t, "AWS::S3::Bucket") {
		p := properties(t, name)
		if p["BucketEncryption"] == nil || say(p["PublicAccessBlockConfiguration"]) !=
			`{"BlockPublicAcls":true,"BlockPublicPolicy":true,"IgnorePublicAcls":true,"RestrictPublicBuckets":true}` {
			t.Errorf("%s: %v", name, p)
		}
	}
}

// What lives on when the stack is gone, because nobody can make it again.
func TestRetained(t *testing.T) {
	for _, name := range []string{"AlertsTable", "FleetTable", "FailureBucket"} {
		r := resources(t)[name]
		if dig(r, "DeletionPolicy") != "RetainExceptOnCreate" || dig(r, "UpdateReplacePolicy") != "Retain" {
			t.Errorf("%s would be deleted", name)
		}
	}
}

func TestMappings(t *testing.T) {
	for _, name := range ofType(t, "AWS::Lambda::EventSourceMapping") {
		p := properties(t, name)
		if say(p["FunctionResponseTypes"]) != `["ReportBatchItemFailures"]` || p["BisectBatchOnFunctionError"] != true || p["MaximumRetryAttempts"] == nil ||
			p["MaximumRecordAgeInSeconds"] == nil || say(dig(p, "DestinationConfig", "OnFailure", "Destination")) != "FailureBucket.Arn" ||
			p["StartingPosition"] != "TRIM_HORIZON" {
			t.Errorf("%s: %v", name, p)
		}
	}
	age, hours := dig(read(t), "Parameters", "RecordAge", "Default").(float64), dig(read(t), "Parameters", "StreamHours", "Default").(float64)
	if age >= hours*3600 {
		t.Errorf("records of %v s are given up, which the stream forgets after %v h: they would be lost", age, hours)
	}
	if age := properties(t, "NotifyFunctionAlerts")["MaximumRecordAgeInSeconds"].(float64); age >= 24*3600 {
		t.Errorf("alerts of %v s are given up, which the table's stream forgets after a day: they would be lost", age)
	}
}
