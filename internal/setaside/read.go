package setaside

import (
	"encoding/json"
	"errors"
	"fmt"
)

// ErrObject is returned for what is no object of a failure bucket.
var ErrObject = errors.New("no failed records")

// Read returns the records of an object in the failure bucket: one that was set aside, or those that Lambda gave up. Lambda's have their
// place and their data, but neither cause nor stream.
//
//	{"partition_key": …, "data": …}                                            set aside by analyze
//	{"KinesisBatchInfo": …, "payload": {"Records": [{"kinesis": {"data": …}}]}}   given up by Lambda; payload may be a string that holds this
func Read(text []byte) ([]Record, error) {
	var object struct {
		Record
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(text, &object); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrObject, err)
	}
	if object.Payload != nil {
		return givenUp(object.Payload)
	}
	if object.PartitionKey == "" || len(object.Data) == 0 {
		return nil, fmt.Errorf("%w: it has neither payload, nor partition_key and data", ErrObject)
	}
	return []Record{object.Record}, nil
}

func givenUp(payload []byte) ([]Record, error) {
	var inner string
	if json.Unmarshal(payload, &inner) == nil {
		payload = []byte(inner)
	}
	var batch struct {
		Records []struct {
			Kinesis struct {
				PartitionKey   string `json:"partitionKey"`
				SequenceNumber string `json:"sequenceNumber"`
				Data           []byte `json:"data"`
			} `json:"kinesis"`
		}
	}
	if err := json.Unmarshal(payload, &batch); err != nil {
		return nil, fmt.Errorf("%w: payload: %w", ErrObject, err)
	}
	var list []Record
	for i, r := range batch.Records {
		if r.Kinesis.PartitionKey == "" || len(r.Kinesis.Data) == 0 {
			return nil, fmt.Errorf("%w: record %d of payload is none of Kinesis", ErrObject, i+1)
		}
		list = append(list, Record{PartitionKey: r.Kinesis.PartitionKey, Sequence: r.Kinesis.SequenceNumber, Data: r.Kinesis.Data})
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: payload has no records", ErrObject)
	}
	return list, nil
}
