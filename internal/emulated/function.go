package emulated

import "time"

// Function is what the template says of a Lambda function, with everything that it refers to put in.
type Function struct {
	Name        string            // the template's, "AnalyzeFunction"
	Code        string            // the folder of its program, from the template's on: "functions/analyze"
	Memory      int               // MiB
	Timeout     time.Duration     // of one invocation
	Environment map[string]string // as the template sets it; Stack.Env holds what leads to the parts
	Mappings    []Mapping         // what it is called for
}

// Mapping is what the template says of an event source mapping: where a function's batches come from, and what happens to what it can't do.
type Mapping struct {
	Name                  string        // the template's, "Records"
	Source                string        // SourceKinesis or SourceDynamoDB
	Stream                string        // the Kinesis stream's name, or the ARN of the table's stream
	SourceARN             string        // as the function sees it in eventSourceARN
	StartingPosition      string        // TRIM_HORIZON or LATEST
	BatchSize             int           // the most records of a batch
	Window                time.Duration // how long records are gathered for a batch; 0 takes what is there
	ParallelizationFactor int           // batches of one shard at a time, parted by partition key; at least 1
	Bisect                bool          // a failed batch is halved
	MaxRetries            int           // -1 for ever
	MaxAge                time.Duration // older records are given up; -1 never
	ReportItemFailures    bool          // the function names the records that failed
	Filters               []string      // JSON patterns; a record that matches none is left out. None lets all through
	OnFailure             string        // ARN of the queue, topic or bucket that is told what was given up; "" for none
}

// The sources of a Mapping.
const (
	SourceKinesis  = "kinesis"
	SourceDynamoDB = "dynamodb"
)
