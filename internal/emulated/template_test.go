package emulated

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// declared reads a template and returns its scope.
func declared(t *testing.T, text string, parameters map[string]string) (*scope, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "t.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	read, err := readTemplate(file)
	if err != nil {
		return nil, err
	}
	return newScope(read, "stack", parameters)
}

const small = `
Parameters:
  Shards: {Type: Number, Default: 3}
  Name: {Type: String}
Conditions:
  Many: !Not [!Equals [!Ref Shards, 1]]
  Few: !Not [!Condition Many]
  Both: !And [!Condition Many, !Condition Few]
  Either: !Or [!Condition Many, !Condition Few]
Resources:
  Lines:
    Type: AWS::Kinesis::Stream
    Properties: {Name: !Sub "${AWS::StackName}-${Name}"}
  Left:
    Type: AWS::SQS::Queue
    Condition: Few
  Out:
    Type: AWS::S3::Bucket
  Unknown:
    Type: AWS::IAM::Role
`

func TestTemplateFunctions(t *testing.T) {
	s, err := declared(t, small, map[string]string{"Name": "x"})
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.all()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range all {
		names = append(names, r.logical+"="+r.name)
	}
	if diff := cmp.Diff([]string{"Lines=stack-x", "Out=stack-out"}, names); diff != "" {
		t.Error(diff)
	}
	call := func(name string, arg any) any { return map[string]any{name: arg} }
	for name, test := range map[string]struct{ value, want any }{
		"a parameter":        {call("Ref", "Shards"), 3},
		"a resource":         {call("Ref", "Lines"), "stack-x"},
		"an attribute":       {call("Fn::GetAtt", []any{"Lines", "Arn"}), "arn:aws:kinesis:us-east-1:123456789012:stream/stack-x"},
		"text":               {call("Fn::Sub", "${Out.Arn}/* ${!Kept} ${Shards}"), "arn:aws:s3:::stack-out/* ${Kept} 3"},
		"text with its own":  {call("Fn::Sub", []any{"${A}-${Name}", map[string]any{"A": call("Ref", "Shards")}}), "3-x"},
		"a choice":           {call("Fn::If", []any{"Many", "yes", "no"}), "yes"},
		"the other":          {call("Fn::If", []any{"Both", "yes", call("Ref", "Name")}), "x"},
		"either":             {call("Fn::If", []any{"Either", "yes", "no"}), "yes"},
		"joined":             {call("Fn::Join", []any{"-", []any{"a", call("Ref", "Name")}}), "a-x"},
		"split":              {call("Fn::Split", []any{",", "a,b"}), []any{"a", "b"}},
		"no value in a map":  {map[string]any{"a": 1, "b": call("Ref", "AWS::NoValue")}, map[string]any{"a": 1}},
		"no value in a list": {[]any{1, call("Fn::If", []any{"Few", 2, call("Ref", "AWS::NoValue")})}, []any{1}},
	} {
		got, err := s.eval(test.value)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	for name, test := range map[string]struct {
		value any
		want  string
	}{
		"an unknown name":      {call("Ref", "Nothing"), "Nothing isn't known"},
		"an unknown attribute": {map[string]any{"Role": call("Fn::GetAtt", []any{"Unknown", "Arn"}), "X": 1}, "Role: Unknown.Arn isn't known"},
		"an unknown function":  {call("Fn::Cidr", []any{"10.0.0.0/8", 6, 5}), "Fn::Cidr of [10.0.0.0/8 6 5] isn't understood"},
		"an unknown condition": {call("Fn::If", []any{"Nope", 1, 2}), "condition Nope isn't declared"},
	} {
		if _, err := s.eval(test.value); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

func TestTemplatesThatCanNotBeRun(t *testing.T) {
	for name, test := range map[string]struct {
		text       string
		parameters map[string]string
		want       string
	}{
		"no value":        {small, nil, "t.yaml: parameter Name has no default and isn't given"},
		"wrong parameter": {small, map[string]string{"Other": "x"}, "t.yaml: has no parameter Other"},
		"empty":           {"", nil, "t.yaml: is empty"},
		"something else":  {"a: 1", nil, "t.yaml: declares no Resources"},
		"no YAML":         {"a: [", nil, "t.yaml: yaml: line 1"},
		"an alias":        {"Resources:\n  A: &a {Type: X}\n  B: *a\n", nil, "t.yaml:3: aliases aren't understood here"},
	} {
		if _, err := declared(t, test.text, test.parameters); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}
