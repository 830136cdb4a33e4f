package faults

import (
	"encoding/json"
	"net/http"
)

// cancelled is the answer to a transaction of which one operation met another transaction.
func cancelled(r *request) *answer {
	var in struct{ TransactItems []json.RawMessage }
	if err := json.Unmarshal(r.body, &in); err != nil || len(in.TransactItems) == 0 {
		return problem(http.StatusBadRequest, "SerializationException", "not a transaction")
	}
	reasons := make([]map[string]string, len(in.TransactItems))
	for i := range reasons {
		reasons[i] = map[string]string{"Code": "None"}
	}
	reasons[r.random.IntN(len(reasons))] = map[string]string{
		"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item",
	}
	return say(http.StatusBadRequest, map[string]any{
		"__type":              "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
		"Message":             "Transaction cancelled, please refer cancellation reasons for specific reasons",
		"CancellationReasons": reasons,
	})
}

// batch leaves a part of a batch undone, which AWS reports beside success.
func (p *Proxy) batch(r *request) (*answer, error) {
	var in struct{ RequestItems map[string]json.RawMessage }
	if !r.chance(r.rates.Partial) || json.Unmarshal(r.body, &in) != nil {
		return p.forward(r.Request, r.op, r.body)
	}
	kept, left := map[string]any{}, map[string]any{}
	for table, items := range in.RequestItems {
		kept[table], left[table] = halves(items)
		if kept[table] == nil {
			delete(kept, table)
		}
	}
	p.count("partial")
	undone := map[string]string{"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}[r.op]
	if len(kept) == 0 {
		return say(http.StatusOK, map[string]any{"Responses": map[string]any{}, undone: left}), nil
	}
	var whole map[string]any
	if err := json.Unmarshal(r.body, &whole); err != nil {
		return nil, err
	}
	whole["RequestItems"] = kept
	a, err := p.forward(r.Request, r.op, say(0, whole).body)
	if err != nil || a.code != http.StatusOK {
		return a, err
	}
	var out map[string]any
	if err := json.Unmarshal(a.body, &out); err != nil {
		return nil, err
	}
	out[undone] = left
	return say(http.StatusOK, out), nil
}

// halves parts a table's keys or writes: the first half, nil if there is only one, and the rest.
func halves(items json.RawMessage) (first, rest any) {
	var writes []any
	if json.Unmarshal(items, &writes) == nil {
		if n := len(writes) / 2; n > 0 {
			return writes[:n], writes[n:]
		}
		return nil, writes
	}
	var gets, other map[string]any
	if json.Unmarshal(items, &gets) != nil || json.Unmarshal(items, &other) != nil {
		return nil, items
	}
	keys, _ := gets["Keys"].([]any)
	other["Keys"] = keys[len(keys)/2:]
	if gets["Keys"] = keys[:len(keys)/2]; len(keys) < 2 {
		return nil, other
	}
	return gets, other
}
