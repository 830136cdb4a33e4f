package table

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Size returns how many bytes an item takes, as DynamoDB counts: names and values.
func Size(item Fields) int {
	n := 0
	for name, value := range item {
		n += len(name)
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		case int64:
			n += 21 // at most
		case bool:
			n++
		}
	}
	return n
}

// Validate tells what is wrong with the operations of a Commit, whatever a table holds. Adapters begin with it.
func Validate(ops []Op) error {
	if len(ops) > MaxOps {
		return fmt.Errorf("commit %d operations: %w: at most %d", len(ops), ErrTooLarge, MaxOps)
	}
	total := 0
	for i, op := range ops {
		size := Size(op.Item)
		if err := op.validate(size); err != nil {
			return fmt.Errorf("operation %d on %s: %w", i, op.Table.Name, err)
		}
		if total += size; total > MaxBytes {
			return fmt.Errorf("commit %d operations: %w: at most %d bytes", len(ops), ErrTooLarge, MaxBytes)
		}
	}
	if len(ops) > 1 {
		return validateDifferent(ops)
	}
	return nil
}

func validateDifferent(ops []Op) error {
	type named struct {
		table string
		key   Key
	}
	seen := make(map[named]bool, len(ops))
	for i, op := range ops {
		n := named{op.Table.Name, op.Table.Key(op.Item)}
		if seen[n] {
			return fmt.Errorf("operation %d on %s: %w: two with the key %q", i, op.Table.Name, ErrInvalid, n.key)
		}
		seen[n] = true
	}
	return nil
}

func (op Op) validate(size int) error {
	s := op.Table
	if err := s.ValidateKey(s.Key(op.Item)); err != nil {
		return err
	}
	if size > MaxItem {
		return fmt.Errorf("item of %d bytes: %w: at most %d", size, ErrTooLarge, MaxItem)
	}
	for name, value := range op.Item {
		if err := validateField(name, value); err != nil {
			return err
		}
	}
	for i := range s.Indexes {
		index := &s.Indexes[i]
		if err := errors.Join(op.validateIndexed(index.Partition, MaxPartition), op.validateIndexed(index.Sort, MaxSort)); err != nil {
			return fmt.Errorf("index %s: %w", index.Name, err)
		}
	}
	return nil
}

func validateField(name string, value any) error {
	switch v := value.(type) {
	case string:
		if !utf8.ValidString(v) {
			return fmt.Errorf("field %s: %w: not UTF-8", name, ErrInvalid)
		}
	case int64, bool, []byte:
	default:
		return fmt.Errorf("field %s: %w: a %T; want string, int64, bool or []byte", name, ErrInvalid, value)
	}
	return nil
}

// validateIndexed looks at a field that an index is ordered by: what is there must be fit for a key.
func (op Op) validateIndexed(field string, most int) error {
	value, ok := op.Item[field]
	if !ok {
		return nil
	}
	text, _ := value.(string)
	if err := validateKey(text, most); err != nil {
		return fmt.Errorf("field %s: %w", field, err)
	}
	return nil
}

// ValidateKey tells what is wrong with a key.
func (s *Schema) ValidateKey(k Key) error {
	if err := validateKey(k.Partition, MaxPartition); err != nil {
		return fmt.Errorf("key %s: %w", s.Partition, err)
	}
	if s.Sort == "" {
		return nil
	}
	if err := validateKey(k.Sort, MaxSort); err != nil {
		return fmt.Errorf("key %s: %w", s.Sort, err)
	}
	return nil
}

func validateKey(text string, most int) error {
	switch {
	case text == "":
		return fmt.Errorf("%w: want a string that isn't empty", ErrInvalid)
	case len(text) > most:
		return fmt.Errorf("%d bytes: %w: at most %d", len(text), ErrTooLarge, most)
	case !utf8.ValidString(text):
		return fmt.Errorf("%q: %w: not UTF-8", text, ErrInvalid)
	}
	return nil
}

// Order returns the fields that the query finds and orders by. Its error is that the query can't be answered.
func (q Query) Order() (partition, sort string, err error) {
	partition, sort = q.Table.Partition, q.Table.Sort
	if q.Index != "" {
		index := q.Table.Index(q.Index)
		if index == nil {
			return "", "", fmt.Errorf("query %s: %w: it has no index %s", q.Table.Name, ErrInvalid, q.Index)
		}
		partition, sort = index.Partition, index.Sort
	}
	if err := validateKey(q.Partition, MaxPartition); err != nil {
		return "", "", fmt.Errorf("query %s for %s: %w", q.Table.Name, partition, err)
	}
	for _, bound := range []string{q.From, q.To} {
		if bound == "" {
			continue
		}
		if err := validateKey(bound, MaxSort); err != nil {
			return "", "", fmt.Errorf("query %s for %s: %w", q.Table.Name, sort, err)
		}
	}
	return partition, sort, nil
}
