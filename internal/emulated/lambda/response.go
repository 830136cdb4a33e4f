package lambda

import (
	"bytes"
	"encoding/json"
)

// succeeded reads a function's response with ReportBatchItemFailures and returns how many of a batch's first records are done. As with
// Lambda, nothing at all, null, an empty object or an empty list of failures is success of all; a name that is missing, empty or not of
// this batch, and what isn't such a response, is failure of all.
//
//	{"batchItemFailures": [{"itemIdentifier": "<sequence number>"}]}
func succeeded(response []byte, records []record) int {
	switch string(bytes.TrimSpace(response)) {
	case "", "null", `""`, "[]":
		return len(records)
	}
	var failures struct {
		Items []map[string]any `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(response, &failures); err != nil {
		return 0
	}
	place := make(map[string]int, len(records))
	for i, r := range records {
		place[r.sequence] = i
	}
	lowest := len(records)
	for _, item := range failures.Items {
		id, _ := item["itemIdentifier"].(string)
		i, known := place[id]
		if !known {
			return 0
		}
		lowest = min(lowest, i)
	}
	return lowest
}
