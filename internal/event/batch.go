package event

import "time"

// Agent is who reads events: what it tells of itself in its batches. Its id stands in the events' own ids, which are kept apart from it so
// that a changed address or label changes no identity.
type Agent struct {
	Name      string            `json:"name,omitempty"`      // the host's name, if it isn't the id
	Addresses []string          `json:"addresses,omitempty"` // its IP addresses, the first one being that of the default route
	OS        string            `json:"os,omitempty"`        // like "linux/arm64 Debian GNU/Linux 12"
	Instance  string            `json:"instance,omitempty"`  // of EC2, like i-0123456789abcdef0
	Image     string            `json:"image,omitempty"`     // that the host was made from: of EC2, like ami-0123456789abcdef0
	Account   string            `json:"account,omitempty"`   // of AWS, 12 digits
	Profile   string            `json:"profile,omitempty"`   // which configuration it uses
	Labels    map[string]string `json:"labels,omitempty"`    // as its operator wrote them
}

// Batch is a run of one agent's events in their order, as they travel together: one record of a stream.
type Batch struct {
	AgentID string // of all events; the record's partition key, so that an agent's batches stay in order
	Epoch   uint64 // of all events
	Agent   Agent
	Version string    // of the program that made the batch
	Config  string    // hash of the agent's configuration, "" if it has none
	Dropped uint64    // events of this epoch that were lost before this batch, by a full spool
	Sent    time.Time // when the batch was made; never part of an alert
	Events  []*Event  // at least one, their Seq rising; all have AgentID and Epoch
}
