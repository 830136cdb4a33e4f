// Package lambda is what AWS Lambda does around a compiled function: it runs its bootstrap, process by process, on the documented runtime API
// (Host), and calls it for the records of a Kinesis or DynamoDB stream as an event source mapping does (Poller).
//
//	stream ─► shard ─► filter ─► lane, by key ─► batch ─► Host.Invoke ─► environment (bootstrap)
//	            │        │                       ▲   │        next, response, error
//	            │        └─ left out             │   ├─ done: checkpoint
//	            └─ children wait for             │   ├─ failed: halves, retries, from the lowest failed record
//	               their parents                 └───┤
//	                                                 └─ given up ─► bucket, with its records
//
// An environment is a process of its own with an AWS access key of its own. So a proxy before the other parts of AWS knows who writes
// (Caller), and can have that process killed between two writes (Host.Kill).
package lambda
