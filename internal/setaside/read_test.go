package setaside_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/setaside"
)

const payload = `{"Records":[{"eventID":"shardId-000000000000:1","kinesis":{"partitionKey":"web1","sequenceNumber":"1","data":"AQI="}},` +
	`{"kinesis":{"partitionKey":"web2","sequenceNumber":"2","data":"AwQ="}}]}`

func TestRead(t *testing.T) {
	aside, err := json.Marshal(setaside.Record{Stream: "s", Shard: "x", Sequence: "7", PartitionKey: "web1", Arrived: time.Unix(1e9, 0), Cause: "c", Data: []byte{1, 2}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want string // partition key and data of each, or the error
	}{
		{string(aside), "web1=[1 2]"},
		{`{"requestContext":{"condition":"RetryAttemptsExhausted"},"version":"1.0","payload":` + payload + `}`, "web1=[1 2] web2=[3 4]"},
		{fmt.Sprintf(`{"version":"1.0","payload":%q}`, payload), "web1=[1 2] web2=[3 4]"},
		{`{"payload":{"Records":[{"dynamodb":{}}]}}`, "record 1 of payload is none of Kinesis"},
		{`{"payload":{"Records":[]}}`, "payload has no records"},
		{`{"payload":7}`, "payload: "},
		{`{"partition_key":"web1"}`, "neither payload, nor partition_key and data"},
		{`[]`, "cannot unmarshal"},
		{``, "unexpected end"},
	} {
		list, err := setaside.Read([]byte(c.text))
		var got []string
		for _, r := range list {
			got = append(got, fmt.Sprint(r.PartitionKey, "=", r.Data))
		}
		switch {
		case err == nil && strings.Join(got, " ") != c.want:
			t.Errorf("%s: %v, want %s", c.text, got, c.want)
		case err != nil && (!errors.Is(err, setaside.ErrObject) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.text, err, c.want)
		}
	}
}

// FuzzRead: whatever lies in the bucket, reading it doesn't panic, and gives records with a key and data, or an error.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"payload":` + payload + `}`))
	f.Add([]byte(`{"partition_key":"web1","data":"AQI="}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := setaside.Read(text)
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%d records, %v", len(list), err)
		}
		for _, r := range list {
			if r.PartitionKey == "" || len(r.Data) == 0 {
				t.Fatalf("%+v", r)
			}
		}
	})
}
