package lambda

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// filter is the filters of a mapping: a record passes if one of them matches it, or if there are none.
type filter []pattern

// pattern is a filter's JSON, made into a question about a record's JSON.
//
//	{"dynamodb": {"NewImage": {"mail": {"S": ["yes", {"prefix": "y"}]}}}}
//	 └─ all of an object's names ──────────┘  └─ one of a list ──────┘
type pattern func(value any, present bool) bool

// parseFilter reads a mapping's filters. An error says which one can't be used, and why.
func parseFilter(texts []string) (filter, error) {
	var f filter
	for i, text := range texts {
		var tree any
		if err := json.Unmarshal([]byte(text), &tree); err != nil {
			return nil, fmt.Errorf("filter %d: %s: %w", i+1, text, err)
		}
		object, ok := tree.(map[string]any)
		if !ok || len(object) == 0 {
			return nil, fmt.Errorf("filter %d: %s: it must be an object with at least one name", i+1, text)
		}
		p, err := compile(object, "")
		if err != nil {
			return nil, fmt.Errorf("filter %d: %w", i+1, err)
		}
		f = append(f, p)
	}
	return f, nil
}

// passes tells whether the function is to see a record, which is JSON read into any.
func (f filter) passes(record any) bool {
	return len(f) == 0 || slices.ContainsFunc(f, func(p pattern) bool { return p(record, true) })
}

// compile makes a pattern of an object; path tells where it stands.
func compile(object map[string]any, path string) (pattern, error) {
	fields := map[string]pattern{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		place := strings.TrimPrefix(path+"."+name, ".")
		var p pattern
		var err error
		switch v := object[name].(type) {
		case map[string]any:
			p, err = compile(v, place)
		case []any:
			if name == "$or" {
				p, err = compileOr(v, place)
			} else {
				p, err = compileList(v, place)
			}
		default:
			err = fmt.Errorf("%s: %v stands alone; put values into a list: [%v]", place, v, v)
		}
		if err != nil {
			return nil, err
		}
		fields[name] = p
	}
	return func(value any, _ bool) bool {
		record, _ := value.(map[string]any) // what is no object has none of the names, which {"exists": false} may want
		for name, p := range fields {
			field, present := record[name]
			if name == "$or" {
				field, present = value, true
			}
			if !p(field, present) {
				return false
			}
		}
		return true
	}, nil
}

// compileOr makes a pattern of {"$or": [{…}, {…}]}: one of the objects must match where the $or stands.
func compileOr(list []any, path string) (pattern, error) {
	var choices []pattern
	for _, each := range list {
		object, ok := each.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: %v is not an object", path, each)
		}
		p, err := compile(object, path)
		if err != nil {
			return nil, err
		}
		choices = append(choices, p)
	}
	return anyOf(choices), nil
}

// compileList makes a pattern of ["a", 1, {"prefix": "b"}]: one of them must match the value or, if it is a list, one of its members.
func compileList(list []any, path string) (pattern, error) {
	if len(list) == 0 {
		return nil, fmt.Errorf("%s: an empty list matches nothing", path)
	}
	var choices []pattern
	for _, each := range list {
		var p pattern
		var err error
		switch v := each.(type) {
		case map[string]any:
			p, err = compileOperator(v, path)
		case []any:
			err = fmt.Errorf("%s: a list in a list", path)
		default:
			p = equal(v)
		}
		if err != nil {
			return nil, err
		}
		choices = append(choices, p)
	}
	one := anyOf(choices)
	return func(value any, present bool) bool {
		if members, ok := value.([]any); ok {
			return slices.ContainsFunc(members, func(m any) bool { return one(m, true) })
		}
		return one(value, present)
	}, nil
}

func anyOf(choices []pattern) pattern {
	return func(value any, present bool) bool {
		return slices.ContainsFunc(choices, func(p pattern) bool { return p(value, present) })
	}
}

func equal(want any) pattern {
	return func(value any, present bool) bool {
		_, nested := value.(map[string]any)
		return present && !nested && value == want
	}
}
