package template_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"
)

// clients are the SDK's clients that the code uses, by the import that brings them.
var clients = map[string]reflect.Type{
	"dynamodb": reflect.TypeFor[*dynamodb.Client](), "kinesis": reflect.TypeFor[*kinesis.Client](),
	"s3": reflect.TypeFor[*s3.Client](), "sns": reflect.TypeFor[*sns.Client](), "ssm": reflect.TypeFor[*ssm.Client](),
}

const (
	module = "github.com/yagura-hids/yagura/"
	sdk    = "github.com/aws/aws-sdk-go-v2/service/"
)

// needs are the rights that each call of the SDK in a function's packages takes, as "action resource". A call that the function's way never
// comes to takes none, and says why.
var needs = map[string]map[string][]string{
	"analyze": {
		"dynamodb.BatchGetItem": {"dynamodb:BatchGetItem StateTable.Arn", "dynamodb:BatchGetItem FleetTable.Arn"},
		"dynamodb.PutItem":      {"dynamodb:PutItem AlertsTable.Arn", "dynamodb:PutItem StateTable.Arn", "dynamodb:PutItem FleetTable.Arn"},
		"dynamodb.TransactWriteItems": {
			"dynamodb:PutItem AlertsTable.Arn", "dynamodb:PutItem StateTable.Arn", "dynamodb:ConditionCheckItem StateTable.Arn",
			"dynamodb:PutItem FleetTable.Arn", "dynamodb:ConditionCheckItem FleetTable.Arn",
		},
		"dynamodb.Query": {"dynamodb:Query FleetTable.Arn"}, // yagura's commands list alerts; analyze only writes them
		"s3.PutObject":   {"s3:PutObject ${FailureBucket.Arn}/set-aside/*"},
		"ssm.SendCommand": {
			"ssm:SendCommand arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:document/${ResendDocument}",
			"ssm:SendCommand arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:instance/*",
		},
	},
	"maintenance": {
		"dynamodb.PutItem":            {"dynamodb:PutItem FleetTable.Arn"},
		"dynamodb.BatchGetItem":       {}, // it writes signs without asking what is there
		"dynamodb.TransactWriteItems": {}, // and one at a time
		"dynamodb.Query":              {}, // others read them
	},
	"notify": {
		// the topic's key is used in the caller's name
		"sns.Publish": {"sns:Publish AlertsTopic", "kms:Decrypt TopicKey.Arn", "kms:GenerateDataKey TopicKey.Arn"},
	},
}

// lambdas are the rights that Lambda itself takes in the function's name, to read for it, to keep what it gave up, and to keep what it says.
var lambdas = map[string][]string{
	"analyze": {
		"kinesis:DescribeStream Stream.Arn", "kinesis:DescribeStreamSummary Stream.Arn", "kinesis:GetRecords Stream.Arn",
		"kinesis:GetShardIterator Stream.Arn", "kinesis:ListShards Stream.Arn", "kinesis:ListStreams *",
		"s3:PutObject ${FailureBucket.Arn}/aws/lambda/*", "s3:ListBucket FailureBucket.Arn",
		"logs:CreateLogStream " + logGroup("AnalyzeLogs"), "logs:PutLogEvents " + logGroup("AnalyzeLogs"),
	},
	"maintenance": {"logs:CreateLogStream " + logGroup("MaintenanceLogs"), "logs:PutLogEvents " + logGroup("MaintenanceLogs")},
	"notify": {
		"dynamodb:DescribeStream AlertsTable.StreamArn", "dynamodb:GetRecords AlertsTable.StreamArn",
		"dynamodb:GetShardIterator AlertsTable.StreamArn", "dynamodb:ListStreams ${AlertsTable.Arn}/stream/*",
		"s3:PutObject ${FailureBucket.Arn}/aws/lambda/*", "s3:ListBucket FailureBucket.Arn",
		"logs:CreateLogStream " + logGroup("NotifyLogs"), "logs:PutLogEvents " + logGroup("NotifyLogs"),
	},
}

func logGroup(name string) string {
	return "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:${" + name + "}:*"
}

var roles = map[string]string{"analyze": "AnalyzeRole", "maintenance": "MaintenanceRole", "notify": "NotifyRole"}

// A function may do what its code does, and nothing else.
func TestActions(t *testing.T) {
	mains, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil || len(mains) != len(needs) {
		t.Fatalf("functions/ has %v, needs knows %v (%v)", mains, slices.Collect(maps.Keys(needs)), err)
	}
	for name, calls := range needs {
		made := callsOf(t, "functions/"+name)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(calls)), made); diff != "" {
			t.Errorf("%s: calls of the SDK that needs knows, and that the code has: %s", name, diff)
		}
		want := slices.Clone(lambdas[name])
		for _, rights := range calls {
			want = append(want, rights...)
		}
		slices.Sort(want)
		if diff := cmp.Diff(slices.Compact(want), granted(t, roles[name])); diff != "" {
			t.Errorf("%s: rights it needs, and that template.yaml grants: %s", name, diff)
		}
	}
}

// A host may do what its agent does, and get its packages.
func TestAgentActions(t *testing.T) {
	var made []string
	for _, dir := range []string{"agent/uplink", "agent/central", "agent/host"} {
		made = append(made, callsOf(t, dir)...)
	}
	slices.Sort(made)
	if diff := cmp.Diff([]string{"kinesis.PutRecords", "ssm.GetParametersByPath"}, slices.Compact(made)); diff != "" {
		t.Errorf("the agent calls more than AgentPolicy allows: %s", diff)
	}
	want := []string{
		"kinesis:PutRecords Stream.Arn",
		"ssm:GetParametersByPath arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/${AWS::StackName}/agents/*",
		"s3:GetObject arn:${AWS::Partition}:s3:::${AgentBucket}/yagura-agent/*",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, statements(t, properties(t, "AgentPolicy")["PolicyDocument"])); diff != "" {
		t.Errorf("AgentPolicy: %s", diff)
	}
	managed := []any{object{"Ref": "AgentPolicy"}, object{"Fn::If": []any{
		"HasAgentBucket", object{"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"}, object{"Ref": "AWS::NoValue"}}}}
	if diff := cmp.Diff(managed, list(properties(t, "AgentRole")["ManagedPolicyArns"])); diff != "" || properties(t, "AgentRole")["Policies"] != nil {
		t.Errorf("AgentRole has more: %s", diff)
	}
}

func TestLogsMayOnlySend(t *testing.T) {
	if diff := cmp.Diff([]string{"kinesis:PutRecord Stream.Arn", "kinesis:PutRecords Stream.Arn"}, granted(t, "LogsRole")); diff != "" {
		t.Errorf("LogsRole: %s", diff)
	}
}

// granted returns what a role's own policies allow, as "action resource", sorted. It must have no others.
func granted(t *testing.T, role string) []string {
	t.Helper()
	p := properties(t, role)
	if p["ManagedPolicyArns"] != nil {
		t.Errorf("%s has managed policies, which nobody here has read", role)
	}
	var all []string
	for _, policy := range list(p["Policies"]) {
		all = append(all, statements(t, dig(policy, "PolicyDocument"))...)
	}
	slices.Sort(all)
	return all
}

func statements(t *testing.T, document any) []string {
	t.Helper()
	var all []string
	for _, s := range list(dig(document, "Statement")) {
		if either := list(dig(s, "Fn::If")); len(either) == 3 && say(either[2]) == "AWS::NoValue" {
			s = either[1] // what may be allowed
		}
		if dig(s, "Effect") != "Allow" {
			t.Errorf("a statement that isn't understood here: %v", s)
		}
		for _, action := range list(dig(s, "Action")) {
			for _, resource := range list(dig(s, "Resource")) {
				all = append(all, say(action)+" "+say(resource))
			}
		}
	}
	slices.Sort(all)
	return all
}

// everything are the statements that allow something on all resources, and why no narrower one will do.
var everything = map[string]string{
	"AnalyzeRole/MappingListsStreams": "kinesis:ListStreams knows no narrower resource",
	"TopicKey/Account":                "in a key's own policy it is that key",
	"TopicKey/Alarms":                 "in a key's own policy it is that key",
}

func TestNothingIsAllowedOnEverything(t *testing.T) {
	seen := map[string]bool{}
	for name, r := range resources(t) {
		for _, s := range allows(dig(r, "Properties")) {
			for _, resource := range list(dig(s, "Resource")) {
				if place := name + "/" + say(dig(s, "Sid")); say(resource) == "*" {
					seen[place] = true
				}
			}
			for _, action := range list(dig(s, "Action")) {
				if strings.Contains(say(action), "*") && name != "TopicKey" {
					t.Errorf("%s allows %s", name, say(action))
				}
			}
			if say(dig(s, "Principal")) == "*" || say(dig(s, "Principal", "AWS")) == "*" {
				t.Errorf("%s allows everybody something: %v", name, s)
			}
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(everything)), slices.Sorted(maps.Keys(seen))); diff != "" {
		t.Error(diff)
	}
}

// allows returns all statements below value that allow something.
func allows(value any) (found []object) {
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			found = append(found, allows(e)...)
		}
	case object:
		if v["Effect"] == "Allow" {
			return []object{v}
		}
		for _, e := range v {
			found = append(found, allows(e)...)
		}
	}
	return found
}

// callsOf returns the calls of the SDK in a package and those of the module that it imports, as "service.Operation".
func callsOf(t *testing.T, dir string) []string {
	t.Helper()
	calls, seen, todo := map[string]bool{}, map[string]bool{}, []string{dir}
	for len(todo) > 0 {
		dir, todo = todo[0], todo[1:]
		if seen[dir] {
			continue
		}
		seen[dir] = true
		for _, file := range parse(t, filepath.Join(root, filepath.FromSlash(dir))) {
			var services []string
			for _, spec := range file.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				if inner, own := strings.CutPrefix(path, module); own {
					todo = append(todo, inner)
				}
				if service, is := strings.CutPrefix(path, sdk); is && !strings.Contains(service, "/") {
					services = append(services, service)
				}
			}
			operations(t, file, services, calls)
		}
	}
	return slices.Sorted(maps.Keys(calls))
}

func parse(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// operations adds a file's calls of methods that have the name of an operation, on whatever: to grant too much shows, and is looked at.
func operations(t *testing.T, file *ast.File, services []string, calls map[string]bool) {
	t.Helper()
	for _, service := range services {
		client, ok := clients[service]
		if !ok {
			t.Fatalf("the code uses the SDK's %s; say in clients how", service)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if made, ok := n.(*ast.SelectorExpr); ok && (strings.HasSuffix(made.Sel.Name, "Paginator") || strings.HasSuffix(made.Sel.Name, "Waiter")) {
				t.Errorf("%s.%s calls operations that are not seen here: call them plainly", service, made.Sel.Name)
			}
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name != "Options" {
				if _, is := client.MethodByName(method.Sel.Name); is {
					calls[service+"."+method.Sel.Name] = true
				}
			}
			return true
		})
	}
}
