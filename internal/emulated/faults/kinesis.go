package faults

import (
	"cmp"
	"crypto/md5" // what Kinesis spreads partition keys by
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"
	"time"
)

// shards knows the streams' shards, to hold each to its limits.
type shards struct {
	limits Limits
	now    func() time.Time
	proxy  *Proxy

	mu        sync.Mutex
	streams   map[string][]shard // open ones by stream; forgotten when they change
	budgets   map[string]*budget
	iterators map[string]iterator
}

// shard takes the partition keys whose hash is in its range.
type shard struct {
	id       string
	from, to *big.Int
}

// iterator is where a reader of a shard stands. The one before is kept for readers that didn't get this one.
type iterator struct{ shard, before string }

// budget is what a shard may still do: it fills with time up to what one second allows.
type budget struct {
	at                    time.Time
	bytes, records, reads float64
}

func newShards(limits Limits, now func() time.Time, p *Proxy) *shards {
	return &shards{
		limits: limits, now: now, proxy: p,
		streams: map[string][]shard{}, budgets: map[string]*budget{}, iterators: map[string]iterator{},
	}
}

// take takes from a shard's budget, or tells that there isn't enough.
func (s *shards) take(stream, id string, want Limits) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, key := s.now(), stream+"/"+id
	b := s.budgets[key]
	if b == nil {
		b = &budget{now, float64(s.limits.Bytes), float64(s.limits.Records), float64(s.limits.Reads)}
		s.budgets[key] = b
	}
	passed := now.Sub(b.at).Seconds()
	fill := func(have float64, limit int) float64 { return min(have+passed*float64(limit), float64(limit)) }
	b.at, b.bytes, b.records, b.reads = now, fill(b.bytes, s.limits.Bytes), fill(b.records, s.limits.Records), fill(b.reads, s.limits.Reads)
	lacks := func(have float64, want, limit int) bool { return limit > 0 && want > 0 && have < float64(want) }
	if lacks(b.bytes, want.Bytes, s.limits.Bytes) || lacks(b.records, want.Records, s.limits.Records) || lacks(b.reads, want.Reads, s.limits.Reads) {
		return false
	}
	b.bytes, b.records, b.reads = b.bytes-float64(want.Bytes), b.records-float64(want.Records), b.reads-float64(want.Reads)
	return true
}

// record is what is written.
type record struct {
	Data            []byte
	PartitionKey    string
	ExplicitHashKey string `json:",omitempty"`
}

// target is the stream that a request is for.
type target struct {
	StreamName string `json:",omitempty"`
	StreamARN  string `json:",omitempty"`
}

func (t target) name() string { return cmp.Or(t.StreamName, t.StreamARN) }

func (t target) refusal(shard string) (code, message string) {
	return "ProvisionedThroughputExceededException",
		fmt.Sprintf("Rate exceeded for shard %s in stream %s under account 000000000000.", shard, t.name())
}

// stored is Kinesis's word on one record.
type stored struct {
	SequenceNumber string `json:",omitempty"`
	ShardID        string `json:"ShardId,omitempty"`
	ErrorCode      string `json:",omitempty"`
	ErrorMessage   string `json:",omitempty"`
}

// putRecords writes the records that their shards' limits and chance let through, and reports the others as failed.
func (s *shards) putRecords(r *request) (*answer, error) {
	var in struct {
		target
		Records []record
	}
	if json.Unmarshal(r.body, &in) != nil || s.limits.Bytes == 0 && s.limits.Records == 0 && r.rates.Partial == 0 {
		return s.proxy.forward(r.Request, r.op, r.body)
	}
	results := make([]stored, len(in.Records))
	var through []record
	var places []int
	for i, rec := range in.Records {
		id, err := s.shardOf(r, in.target, rec)
		if err != nil {
			return nil, err
		}
		refused := ""
		switch chance := r.chance(r.rates.Partial); {
		case chance:
			refused = "partial"
		case !s.take(in.name(), id, rec.cost()):
			refused = "shard limit"
		default:
			through, places = append(through, rec), append(places, i)
			continue
		}
		s.proxy.count(refused)
		results[i].ErrorCode, results[i].ErrorMessage = in.refusal(id)
	}
	failed := len(in.Records) - len(through)
	if len(through) > 0 {
		in.Records = through
		a, err := s.proxy.forward(r.Request, r.op, say(0, in).body)
		if err != nil || a.code != http.StatusOK || failed == 0 {
			return a, err
		}
		var out struct{ Records []stored }
		if err := json.Unmarshal(a.body, &out); err != nil {
			return nil, err
		}
		for i, result := range out.Records {
			results[places[i]] = result
		}
	}
	return say(http.StatusOK, map[string]any{"FailedRecordCount": failed, "Records": results}), nil
}

// cost is what a record takes of its shard's limits.
func (r record) cost() Limits { return Limits{Bytes: len(r.Data) + len(r.PartitionKey), Records: 1} }

func (s *shards) putRecord(r *request) (*answer, error) {
	var in struct {
		target
		record
	}
	if json.Unmarshal(r.body, &in) == nil {
		id, err := s.shardOf(r, in.target, in.record)
		if err != nil {
			return nil, err
		}
		if !s.take(in.name(), id, in.cost()) {
			s.proxy.count("shard limit")
			code, message := in.refusal(id)
			return problem(http.StatusBadRequest, code, message), nil
		}
	}
	return s.proxy.forward(r.Request, r.op, r.body)
}

// shardOf returns the shard that a record goes to, "" for a stream that isn't there.
func (s *shards) shardOf(r *request, t target, rec record) (string, error) {
	if s.limits.Bytes == 0 && s.limits.Records == 0 {
		return "", nil
	}
	open, err := s.open(r, t)
	if err != nil {
		return "", err
	}
	hash, ok := new(big.Int).SetString(rec.ExplicitHashKey, 10)
	if !ok {
		sum := md5.Sum([]byte(rec.PartitionKey))
		hash = new(big.Int).SetBytes(sum[:])
	}
	for _, shard := range open {
		if hash.Cmp(shard.from) >= 0 && hash.Cmp(shard.to) <= 0 {
			return shard.id, nil
		}
	}
	return "", nil
}

// open returns a stream's open shards. It asks once a second: shards may be split and merged.
func (s *shards) open(r *request, t target) ([]shard, error) {
	key := fmt.Sprint(t.name(), " ", s.now().Unix())
	s.mu.Lock()
	known, ok := s.streams[key]
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	a, err := s.proxy.forward(r.Request, "DescribeStream", say(0, t).body)
	if err != nil {
		return nil, err
	}
	var out struct {
		StreamDescription struct {
			Shards []struct {
				ShardID             string `json:"ShardId"`
				HashKeyRange        struct{ StartingHashKey, EndingHashKey string }
				SequenceNumberRange struct{ EndingSequenceNumber string }
			}
		}
	}
	if err := json.Unmarshal(a.body, &out); err != nil {
		return nil, err
	}
	for _, d := range out.StreamDescription.Shards {
		from, ok1 := new(big.Int).SetString(d.HashKeyRange.StartingHashKey, 10)
		to, ok2 := new(big.Int).SetString(d.HashKeyRange.EndingHashKey, 10)
		if ok1 && ok2 && d.SequenceNumberRange.EndingSequenceNumber == "" {
			known = append(known, shard{d.ShardID, from, to})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.streams)
	s.streams[key] = known
	return known, nil
}

// read lets a shard be read so many times a second, and follows the iterators, which alone say what shard is read.
func (s *shards) read(r *request) (*answer, error) {
	var in struct {
		target
		ShardID       string `json:"ShardId"`
		ShardIterator string
	}
	if s.limits.Reads == 0 || json.Unmarshal(r.body, &in) != nil {
		return s.proxy.forward(r.Request, r.op, r.body)
	}
	id := in.name() + "/" + in.ShardID
	if r.op == "GetRecords" {
		s.mu.Lock()
		id = s.iterators[in.ShardIterator].shard
		s.mu.Unlock()
		if !s.take("", id, Limits{Reads: 1}) {
			s.proxy.count("shard limit")
			return problem(http.StatusBadRequest, "ProvisionedThroughputExceededException", "Rate exceeded for shard "+id+"."), nil
		}
	}
	a, err := s.proxy.forward(r.Request, r.op, r.body)
	if err != nil {
		return nil, err
	}
	var out struct{ ShardIterator, NextShardIterator string }
	if json.Unmarshal(a.body, &out) == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.iterators, s.iterators[in.ShardIterator].before)
		s.iterators[cmp.Or(out.NextShardIterator, out.ShardIterator)] = iterator{id, in.ShardIterator}
	}
	return a, nil
}
