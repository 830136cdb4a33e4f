package lambda

import (
	"fmt"
	"slices"
	"strings"
)

// compileOperator makes a pattern of {"prefix": "a"} and its like.
func compileOperator(object map[string]any, path string) (pattern, error) {
	if len(object) != 1 {
		return nil, fmt.Errorf("%s: an operator is an object with one name, this has %d", path, len(object))
	}
	for name, argument := range object {
		switch name {
		case "exists":
			want, ok := argument.(bool)
			if !ok {
				return nil, fmt.Errorf("%s: exists takes true or false, not %v", path, argument)
			}
			return exists(want), nil
		case "prefix", "suffix", "equals-ignore-case":
			text, ok := argument.(string)
			if !ok {
				return nil, fmt.Errorf("%s: %s takes a string, not %v", path, name, argument)
			}
			return compareText(name, text), nil
		case "numeric":
			return compileNumeric(argument, path)
		case "anything-but":
			return compileAnythingBut(argument, path)
		}
		return nil, fmt.Errorf("%s: %s is no operator of Lambda's filters", path, name)
	}
	return nil, nil
}

// exists asks for leaves only, as Lambda does: an object in its place is neither there nor absent.
func exists(want bool) pattern {
	return func(value any, present bool) bool {
		_, nested := value.(map[string]any)
		return present == want && !nested
	}
}

func compareText(operator, want string) pattern {
	return func(value any, _ bool) bool {
		text, ok := value.(string)
		switch {
		case !ok:
			return false
		case operator == "prefix":
			return strings.HasPrefix(text, want)
		case operator == "suffix":
			return strings.HasSuffix(text, want)
		}
		return strings.EqualFold(text, want)
	}
}

// compileNumeric makes a pattern of {"numeric": [">", 0, "<=", 5]}. It matches JSON numbers only: what DynamoDB calls a number ("N") is a
// string in the record.
func compileNumeric(argument any, path string) (pattern, error) {
	list, ok := argument.([]any)
	if !ok || len(list) == 0 || len(list)%2 != 0 {
		return nil, fmt.Errorf("%s: numeric takes a list of operators and numbers, not %v", path, argument)
	}
	var tests []func(float64) bool
	for i := 0; i < len(list); i += 2 {
		operator, _ := list[i].(string)
		want, ok := list[i+1].(float64)
		test := map[string]func(float64) bool{
			"=":  func(n float64) bool { return n == want },
			"<":  func(n float64) bool { return n < want },
			"<=": func(n float64) bool { return n <= want },
			">":  func(n float64) bool { return n > want },
			">=": func(n float64) bool { return n >= want },
		}[operator]
		if !ok || test == nil {
			return nil, fmt.Errorf("%s: numeric: %v %v: want one of = < <= > >= and a number", path, list[i], list[i+1])
		}
		tests = append(tests, test)
	}
	return func(value any, _ bool) bool {
		number, ok := value.(float64)
		return ok && !slices.ContainsFunc(tests, func(test func(float64) bool) bool { return !test(number) })
	}, nil
}

// compileAnythingBut makes a pattern of {"anything-but": …} over a value, a list of values, or a prefix or suffix. The field must be there.
func compileAnythingBut(argument any, path string) (pattern, error) {
	var not pattern
	switch v := argument.(type) {
	case []any:
		var choices []pattern
		for _, each := range v {
			switch each.(type) {
			case map[string]any, []any:
				return nil, fmt.Errorf("%s: anything-but takes plain values in its list, not %v", path, each)
			}
			choices = append(choices, equal(each))
		}
		not = anyOf(choices)
	case map[string]any:
		for name := range v {
			if len(v) != 1 || name != "prefix" && name != "suffix" {
				return nil, fmt.Errorf("%s: anything-but takes values, a prefix or a suffix, not %v", path, v)
			}
		}
		p, err := compileOperator(v, path)
		if err != nil {
			return nil, err
		}
		not = p
	default:
		not = equal(v)
	}
	return func(value any, present bool) bool {
		_, nested := value.(map[string]any)
		return present && !nested && !not(value, present)
	}, nil
}
