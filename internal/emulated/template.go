package emulated

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// template is a SAM template. Its values are as the file has them, with short tags (!Ref) as the long functions ({"Ref": …}).
type template struct {
	file       string
	parameters map[string]any
	conditions map[string]any
	globals    map[string]any
	resources  map[string]any
}

func readTemplate(file string) (*template, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(root.Content) == 0 {
		return nil, fmt.Errorf("%s: is empty", file)
	}
	value, err := plainValue(root.Content[0])
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	t := &template{
		file: file, parameters: dig(value, "Parameters"), conditions: dig(value, "Conditions"),
		globals: dig(value, "Globals", "Function"), resources: dig(value, "Resources"),
	}
	if len(t.resources) == 0 {
		return nil, fmt.Errorf("%s: declares no Resources", file)
	}
	return t, nil
}

// plainValue turns a node into maps, slices and scalars.
func plainValue(n *yaml.Node) (any, error) {
	value, err := untagged(n)
	if err != nil {
		return nil, err
	}
	name, short := strings.CutPrefix(n.Tag, "!")
	if !short || strings.HasPrefix(name, "!") || name == "" {
		return value, nil
	}
	switch name {
	case "Ref", "Condition":
	case "GetAtt":
		if text, ok := value.(string); ok {
			resource, attribute, _ := strings.Cut(text, ".")
			value = []any{resource, attribute}
		}
		name = "Fn::GetAtt"
	default:
		name = "Fn::" + name
	}
	return map[string]any{name: value}, nil
}

func untagged(n *yaml.Node) (value any, err error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if m[n.Content[i].Value], err = plainValue(n.Content[i+1]); err != nil {
				return nil, err
			}
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := plainValue(c)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.ScalarNode:
		if strings.HasPrefix(n.Tag, "!!") {
			err = n.Decode(&value)
		} else {
			value = n.Value
		}
		return value, err
	}
	return nil, fmt.Errorf("%d: aliases aren't understood here; write the value twice", n.Line)
}

// dig goes down the names and returns the map there, nil if there is none.
func dig(value any, names ...string) map[string]any {
	m, _ := value.(map[string]any)
	for _, name := range names {
		m, _ = m[name].(map[string]any)
	}
	return m
}

// scope is what a template's functions are evaluated in.
type scope struct {
	*template
	values     map[string]any    // of Ref: parameters and AWS::Region and the like
	attributes map[string]string // of GetAtt, and of Ref under the resource's bare name
}

// errNoValue is the value of AWS::NoValue, which takes away what it is the value of.
var errNoValue = errors.New("AWS::NoValue")

// eval returns the value with all functions in it evaluated.
func (s *scope) eval(value any) (any, error) {
	switch v := value.(type) {
	case []any:
		out := []any{}
		for _, e := range v {
			switch e, err := s.eval(e); {
			case err == nil:
				out = append(out, e)
			case !errors.Is(err, errNoValue):
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		if name, arg, is := function(v); is {
			return s.call(name, arg)
		}
		out := map[string]any{}
		for key, e := range v {
			switch e, err := s.eval(e); {
			case err == nil:
				out[key] = e
			case !errors.Is(err, errNoValue):
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		return out, nil
	}
	return value, nil
}

func function(m map[string]any) (name string, arg any, is bool) {
	if len(m) == 1 {
		for name, arg = range m {
			return name, arg, name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::")
		}
	}
	return "", nil, false
}

func (s *scope) call(name string, arg any) (any, error) {
	text, _ := arg.(string)
	args, _ := arg.([]any)
	switch {
	case name == "Ref":
		return s.ref(text)
	case name == "Condition":
		return s.condition(text)
	case name == "Fn::Sub" && text != "":
		return s.sub(text, nil)
	case name == "Fn::Sub" && len(args) == 2:
		return s.sub(fmt.Sprint(args[0]), dig(args[1]))
	case name == "Fn::GetAtt" && len(args) == 2:
		return s.attribute(fmt.Sprint(args[0], ".", args[1]))
	case name == "Fn::If" && len(args) == 3:
		yes, err := s.condition(fmt.Sprint(args[0]))
		if err != nil {
			return nil, err
		}
		if yes {
			return s.eval(args[1])
		}
		return s.eval(args[2])
	}
	evaluated, err := s.eval(args)
	if err != nil {
		return nil, err
	}
	return pure(name, evaluated.([]any))
}

// pure are the functions of their arguments alone.
func pure(name string, args []any) (any, error) {
	var list []any
	if len(args) == 2 {
		list, _ = args[1].([]any)
	}
	switch {
	case name == "Fn::Equals" && len(args) == 2:
		return fmt.Sprint(args[0]) == fmt.Sprint(args[1]), nil
	case name == "Fn::Not" && len(args) == 1:
		return args[0] != true, nil
	case name == "Fn::And" || name == "Fn::Or":
		for _, a := range args {
			if (a == true) == (name == "Fn::Or") {
				return a, nil
			}
		}
		return name == "Fn::And", nil
	case name == "Fn::Join" && list != nil:
		var parts []string
		for _, e := range list {
			parts = append(parts, fmt.Sprint(e))
		}
		return strings.Join(parts, fmt.Sprint(args[0])), nil
	case name == "Fn::Split" && len(args) == 2:
		var parts []any
		for part := range strings.SplitSeq(fmt.Sprint(args[1]), fmt.Sprint(args[0])) {
			parts = append(parts, part)
		}
		return parts, nil
	}
	return nil, fmt.Errorf("%s of %v isn't understood by the emulated stack", name, args)
}

func (s *scope) ref(name string) (any, error) {
	if name == "AWS::NoValue" {
		return nil, errNoValue
	}
	if v, ok := s.values[name]; ok {
		return v, nil
	}
	return s.attribute(name)
}

func (s *scope) attribute(name string) (string, error) {
	if v, ok := s.attributes[name]; ok {
		return v, nil
	}
	return "", fmt.Errorf("%s isn't known to the emulated stack", name)
}

func (s *scope) condition(name string) (bool, error) {
	c, ok := s.conditions[name]
	if !ok {
		return false, fmt.Errorf("condition %s isn't declared", name)
	}
	value, err := s.eval(c)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	return value == true, nil
}

// sub puts values in for each ${Name} and ${Name.Attribute}; ${!Name} stays ${Name}.
func (s *scope) sub(text string, local map[string]any) (string, error) {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		name, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return out.String(), nil
		}
		text = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			out.WriteString("${" + literal + "}")
			continue
		}
		value, err := s.eval(map[string]any{"Ref": name})
		if v, ok := local[name]; ok {
			value, err = s.eval(v)
		}
		if err != nil {
			return "", err
		}
		fmt.Fprint(&out, value)
	}
}
