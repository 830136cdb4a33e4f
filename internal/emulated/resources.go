package emulated

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The region and the account of the emulated parts.
const (
	Region  = "us-east-1"
	Account = "123456789012"
)

// resource is one of the template's that the emulated stack knows, with its properties' functions evaluated.
type resource struct {
	logical string // its name in the template
	kind    string // "AWS::DynamoDB::Table"
	name    string // what it is called in its part
	props   map[string]any
}

// nameProperties are the properties that name a resource, by its type.
var nameProperties = map[string]string{
	"AWS::Kinesis::Stream": "Name", "AWS::DynamoDB::Table": "TableName", "AWS::SNS::Topic": "TopicName", "AWS::S3::Bucket": "BucketName",
	"AWS::SQS::Queue": "QueueName", "AWS::Serverless::Function": "FunctionName", "AWS::SSM::Document": "Name",
}

// newScope returns the scope of a stack, with the parameters' defaults and what they are set to.
func newScope(t *template, stack string, parameters map[string]string) (*scope, error) {
	s := &scope{template: t, attributes: map[string]string{}, values: map[string]any{
		"AWS::Region": Region, "AWS::AccountId": Account, "AWS::Partition": "aws", "AWS::StackName": stack, "AWS::URLSuffix": "amazonaws.com",
	}}
	for name, p := range t.parameters {
		s.values[name] = dig(p)["Default"]
	}
	for name, v := range parameters {
		if _, ok := t.parameters[name]; !ok {
			return nil, fmt.Errorf("%s: has no parameter %s", t.file, name)
		}
		s.values[name] = v
	}
	for name := range t.parameters {
		if s.values[name] == nil {
			return nil, fmt.Errorf("%s: parameter %s has no default and isn't given", t.file, name)
		}
	}
	return s, nil
}

// all returns the template's resources of the known types, by name, whose conditions hold.
func (s *scope) all() ([]*resource, error) {
	var list []*resource
	for _, logical := range slices.Sorted(maps.Keys(s.resources)) {
		declared := dig(s.resources, logical)
		kind, _ := declared["Type"].(string)
		if nameProperties[kind] == "" {
			continue
		}
		if c, ok := declared["Condition"].(string); ok {
			if holds, err := s.condition(c); err != nil || !holds {
				if err != nil {
					return nil, fmt.Errorf("%s: %s: %w", s.file, logical, err)
				}
				continue
			}
		}
		r := &resource{logical: logical, kind: kind}
		if err := s.name(r, dig(declared, "Properties")); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", s.file, logical, err)
		}
		list = append(list, r)
	}
	return list, nil
}

// name names a resource and makes its attributes known.
func (s *scope) name(r *resource, props map[string]any) error {
	r.name = fmt.Sprint(s.values["AWS::StackName"], "-", r.logical)
	if declared, ok := props[nameProperties[r.kind]]; ok {
		switch name, err := s.eval(declared); {
		case err == nil:
			r.name = fmt.Sprint(name)
		default:
			return err
		}
	}
	arn := func(service, path string) string {
		return "arn:aws:" + service + ":" + Region + ":" + Account + ":" + path
	}
	ref := r.name
	switch r.kind {
	case "AWS::Kinesis::Stream":
		s.attributes[r.logical+".Arn"] = arn("kinesis", "stream/"+r.name)
	case "AWS::DynamoDB::Table":
		s.attributes[r.logical+".Arn"] = arn("dynamodb", "table/"+r.name)
	case "AWS::SNS::Topic":
		ref = arn("sns", r.name)
		s.attributes[r.logical+".TopicArn"], s.attributes[r.logical+".TopicName"] = ref, r.name
	case "AWS::S3::Bucket":
		r.name = strings.ToLower(r.name)
		ref = r.name
		s.attributes[r.logical+".Arn"] = "arn:aws:s3:::" + r.name
	case "AWS::SQS::Queue":
		s.attributes[r.logical+".Arn"], s.attributes[r.logical+".QueueName"] = arn("sqs", r.name), r.name
	case "AWS::Serverless::Function":
		s.attributes[r.logical+".Arn"] = arn("lambda", "function:"+r.name)
	}
	s.attributes[r.logical] = ref
	return nil
}

// properties evaluates those of a resource that are asked for.
func (s *scope) properties(r *resource, names ...string) error {
	r.props = map[string]any{}
	declared := dig(s.resources, r.logical, "Properties")
	for _, name := range names {
		if _, ok := declared[name]; !ok {
			continue
		}
		value, err := s.eval(map[string]any{name: declared[name]})
		if err != nil {
			return fmt.Errorf("%s: %s: %w", s.file, r.logical, err)
		}
		maps.Copy(r.props, value.(map[string]any))
	}
	return nil
}

// as copies a property into what the SDK calls the same names.
func (r *resource) as(name string, to any) error {
	text, err := json.Marshal(r.props[name])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s: %s: %w", r.logical, name, err)
	}
	return nil
}

// function returns what the template says of a function.
func (s *scope) function(r *resource) (*Function, error) {
	if err := s.properties(r, "CodeUri", "MemorySize", "Timeout", "Environment", "Events"); err != nil {
		return nil, err
	}
	globals, err := s.eval(s.globals)
	if err != nil {
		return nil, fmt.Errorf("%s: Globals: %w", s.file, err)
	}
	shared := dig(globals)
	either := func(name string) any { return cmp.Or(r.props[name], shared[name]) }
	f := &Function{
		Name: r.logical, Code: path.Clean(fmt.Sprint(r.props["CodeUri"])), Memory: whole(either("MemorySize"), 128), Environment: map[string]string{},
	}
	f.Timeout = time.Duration(whole(either("Timeout"), 3)) * time.Second
	for _, from := range []map[string]any{shared, r.props} {
		for name, value := range dig(from, "Environment", "Variables") {
			f.Environment[name] = fmt.Sprint(value)
		}
	}
	events := dig(r.props, "Events")
	for _, name := range slices.Sorted(maps.Keys(events)) {
		if m := s.mapping(name, dig(events, name)); m != nil {
			f.Mappings = append(f.Mappings, *m)
		}
	}
	return f, nil
}

// mapping returns what an event of a function says, nil for one that is no stream. Defaults are Lambda's own.
func (s *scope) mapping(name string, event map[string]any) *Mapping {
	props := dig(event, "Properties")
	stream, _ := props["Stream"].(string)
	m := &Mapping{
		Name: name, Stream: stream, SourceARN: stream, StartingPosition: fmt.Sprint(props["StartingPosition"]),
		BatchSize:             whole(props["BatchSize"], 100),
		Window:                time.Duration(whole(props["MaximumBatchingWindowInSeconds"], 0)) * time.Second,
		ParallelizationFactor: whole(props["ParallelizationFactor"], 1),
		Bisect:                fmt.Sprint(props["BisectBatchOnFunctionError"]) == "true",
		MaxRetries:            whole(props["MaximumRetryAttempts"], -1),
		MaxAge:                -1,
	}
	if age := whole(props["MaximumRecordAgeInSeconds"], -1); age >= 0 {
		m.MaxAge = time.Duration(age) * time.Second
	}
	switch event["Type"] {
	case "Kinesis":
		m.Source = SourceKinesis
		_, m.Stream, _ = strings.Cut(stream, ":stream/")
	case "DynamoDB":
		m.Source = SourceDynamoDB
	default:
		return nil
	}
	types, _ := props["FunctionResponseTypes"].([]any)
	m.ReportItemFailures = slices.Contains(types, any("ReportBatchItemFailures"))
	filters, _ := dig(props, "FilterCriteria")["Filters"].([]any)
	for _, f := range filters {
		m.Filters = append(m.Filters, fmt.Sprint(dig(f)["Pattern"]))
	}
	m.OnFailure, _ = dig(props, "DestinationConfig", "OnFailure")["Destination"].(string)
	return m
}

// whole returns a number that may be written as text, as parameters are.
func whole(value any, otherwise int) int {
	n, err := strconv.Atoi(fmt.Sprint(value))
	if err != nil {
		return otherwise
	}
	return n
}
