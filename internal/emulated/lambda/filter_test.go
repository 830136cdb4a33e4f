package lambda

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestFilter(t *testing.T) {
	const mail = `{"eventName":"INSERT","dynamodb":{"NewImage":{"mail":{"S":"yes"},"level":{"N":"10"},"tags":{"L":["a","b"]}},"SizeBytes":26}}`
	const quiet = `{"eventName":"INSERT","dynamodb":{"NewImage":{"level":{"N":"3"}},"SizeBytes":200}}`
	for _, c := range []struct {
		filters     []string
		mail, quiet bool
	}{
		{nil, true, true},
		{[]string{`{"eventName":["INSERT"],"dynamodb":{"NewImage":{"mail":{"S":["yes"]}}}}`}, true, false},
		{[]string{`{"eventName":["REMOVE"],"dynamodb":{"NewImage":{"mail":{"S":["yes"]}}}}`}, false, false}, // all names must match
		{[]string{`{"eventName":["MODIFY","INSERT"]}`}, true, true},                                         // one of a list
		{[]string{`{"eventName":["REMOVE"]}`, `{"dynamodb":{"SizeBytes":[26]}}`}, true, false},              // one of the filters
		{[]string{`{"eventname":["INSERT"]}`}, false, false},
		{[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"exists":true}]}}}}`}, true, false},
		{[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"exists":false}]}}}}`}, false, true},
		{[]string{`{"dynamodb":{"NewImage":{"mail":[{"exists":true}]}}}`}, false, false}, // leaves only
		{[]string{`{"dynamodb":{"NewImage":{"level":{"N":[{"prefix":"1"}]}}}}`}, true, false},
		{[]string{`{"dynamodb":{"NewImage":{"level":{"N":[{"suffix":"3"}]}}}}`}, false, true},
		{[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"equals-ignore-case":"YES"}]}}}}`}, true, false},
		{[]string{`{"dynamodb":{"SizeBytes":[{"numeric":[">",20,"<=",100]}]}}`}, true, false},
		{[]string{`{"dynamodb":{"SizeBytes":[{"numeric":["=",200]}]}}`}, false, true},
		{[]string{`{"dynamodb":{"NewImage":{"level":{"N":[{"numeric":[">",5]}]}}}}`}, false, false}, // DynamoDB's N is a string
		{[]string{`{"dynamodb":{"NewImage":{"level":{"N":[{"anything-but":"10"}]}}}}`}, false, true},
		{[]string{`{"dynamodb":{"NewImage":{"level":{"N":[{"anything-but":["3","4"]}]}}}}`}, true, false},
		{[]string{`{"dynamodb":{"NewImage":{"level":{"N":[{"anything-but":{"prefix":"1"}}]}}}}`}, false, true},
		{[]string{`{"dynamodb":{"NewImage":{"mail":{"S":[{"anything-but":"no"}]}}}}`}, true, false}, // what isn't there is nothing
		{[]string{`{"dynamodb":{"NewImage":{"tags":{"L":["b"]}}}}`}, true, false},                   // one of the record's list
		{[]string{`{"dynamodb":{"$or":[{"SizeBytes":[200]},{"NewImage":{"mail":{"S":["yes"]}}}]}}`}, true, true},
	} {
		f, err := parseFilter(c.filters)
		if err != nil {
			t.Errorf("%q: %v", c.filters, err)
			continue
		}
		for text, want := range map[string]bool{mail: c.mail, quiet: c.quiet} {
			var tree any
			if err := json.Unmarshal([]byte(text), &tree); err != nil {
				t.Fatal(err)
			}
			if f.passes(tree) != want {
				t.Errorf("%q on %s: %t, want %t", c.filters, text, !want, want)
			}
		}
	}
}

func TestFilterErrors(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                     "unexpected end",
		`[]`:                                    "must be an object",
		`{}`:                                    "must be an object",
		`{"a":"b"}`:                             "a: b stands alone; put values into a list",
		`{"a":{"b":[]}}`:                        "a.b: an empty list",
		`{"a":[["b"]]}`:                         "a list in a list",
		`{"a":[{"like":"b"}]}`:                  "like is no operator",
		`{"a":[{"prefix":1}]}`:                  "prefix takes a string",
		`{"a":[{"exists":"yes"}]}`:              "exists takes true or false",
		`{"a":[{"numeric":[">"]}]}`:             "numeric takes a list",
		`{"a":[{"numeric":["~",1]}]}`:           "want one of",
		`{"a":[{"prefix":"a","suffix":"b"}]}`:   "an object with one name",
		`{"a":[{"anything-but":[{"b":1}]}]}`:    "plain values",
		`{"a":[{"anything-but":{"exists":1}}]}`: "a prefix or a suffix",
		`{"$or":[1]}`:                           "1 is not an object",
	} {
		if _, err := parseFilter([]string{text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// FuzzFilter holds that no pattern and no record make filters panic.
func FuzzFilter(f *testing.F) {
	f.Add(`{"a":["b",{"anything-but":[1]},{"numeric":["<",1]}],"$or":[{"c":[null]}]}`, `{"a":[["b"],{"c":1}],"c":null}`)
	f.Add(`{"a":{"b":[{"exists":false}]}}`, `[1]`)
	f.Fuzz(func(_ *testing.T, pattern, text string) {
		var tree any
		if p, err := parseFilter([]string{pattern}); err == nil && json.Unmarshal([]byte(text), &tree) == nil {
			p.passes(tree)
		}
	})
}

func TestSucceeded(t *testing.T) {
	records := []record{{sequence: "10"}, {sequence: "11"}, {sequence: "12"}}
	for response, want := range map[string]int{
		``: 3, `null`: 3, `{}`: 3, `""`: 3, `[]`: 3, `{"batchItemFailures":null}`: 3, ` {"batchItemFailures":[]} `: 3, `{"other":1}`: 3,
		`{"batchItemFailures":[{"itemIdentifier":"12"}]}`:                          2,
		`{"batchItemFailures":[{"itemIdentifier":"12"},{"itemIdentifier":"11"}]}`:  1,
		`{"batchItemFailures":[{"itemIdentifier":"10"}]}`:                          0,
		`{"batchItemFailures":[{"itemIdentifier":"12"},{"itemIdentifier":"99"}]}`:  0,
		`{"batchItemFailures":[{"itemIdentifier":""}]}`:                            0,
		`{"batchItemFailures":[{"itemIdentifier":null}]}`:                          0,
		`{"batchItemFailures":[{"itemidentifier":"12"}]}`:                          0,
		`{"batchItemFailures":[{}]}`:                                               0,
		`{"batchItemFailures":"12"}`:                                               0,
		`"done"`:                                                                   0,
		`not JSON`:                                                                 0,
		`{"batchItemFailures":[{"itemIdentifier":"12"}`:                            0,
		`{"batchItemFailures":[{"itemIdentifier":12}]}`:                            0,
		`{"batchItemFailures":[{"itemIdentifier":"12"},{"itemIdentifier":"12"}]} `: 2,
	} {
		if got := succeeded([]byte(response), records); got != want {
			t.Errorf("%s: %d records are done, want %d", response, got, want)
		}
	}
}

// FuzzSucceeded holds that no response makes more records done than there are.
func FuzzSucceeded(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"11"}]}`))
	f.Fuzz(func(t *testing.T, response []byte) {
		if n := succeeded(response, []record{{sequence: "10"}, {sequence: "11"}}); n < 0 || n > 2 {
			t.Errorf("%d records", n)
		}
	})
}
