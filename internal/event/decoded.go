package event

import "strings"

// Category is a decoder's type: it chooses the part of the rule tree that an event is tried on.
type Category uint8

// The categories, numbered as OSSEC numbers them.
const (
	CategorySyslog     Category = 1
	CategoryIDS        Category = 2
	CategoryFirewall   Category = 3
	CategoryWebLog     Category = 7
	CategorySquid      Category = 8
	CategoryWindows    Category = 9
	CategoryHostInfo   Category = 10
	CategoryOSSEC      Category = 11
	CategoryOSSECAlert Category = 12
)

var categoryNames = map[Category]string{
	CategorySyslog: "syslog", CategoryIDS: "ids", CategoryFirewall: "firewall", CategoryWebLog: "web-log", CategorySquid: "squid",
	CategoryWindows: "windows", CategoryHostInfo: "host-information", CategoryOSSEC: "ossec", CategoryOSSECAlert: "ossec-alert",
}

// String returns OSSEC's word for the category.
func (c Category) String() string { return categoryNames[c] }

// ParseCategory returns the category that OSSEC's word names. "ossec-alert" is internal and no word for users.
func ParseCategory(word string) (Category, bool) {
	for c, name := range categoryNames {
		if name == word && c != CategoryOSSECAlert {
			return c, true
		}
	}
	return 0, false
}

// Field is one of the fields that every decoder may fill. Others are dynamic and go by name.
type Field uint8

// The static fields, in the order in which they are shown.
const (
	DstUser Field = iota
	SrcUser
	SrcIP
	DstIP
	SrcPort
	DstPort
	Protocol
	Action
	FieldID
	URL
	Data
	Status
	SystemName
	Filename
	NumFields
)

var fieldNames = [NumFields]string{
	"dstuser", "srcuser", "srcip", "dstip", "srcport", "dstport", "protocol", "action", "id", "url", "extra_data", "status", "system_name", "filename",
}

// String returns the word that a decoder's order uses for the field.
func (f Field) String() string { return fieldNames[f] }

// ParseField returns the field that a word of a decoder's order names: OSSEC's names and its aliases user and data.
func ParseField(word string) (Field, bool) {
	switch word {
	case "user":
		return DstUser, true
	case "data":
		return Data, true
	}
	for f, name := range fieldNames {
		if name == word {
			return Field(f), true
		}
	}
	return Filename, strings.Contains(word, "filename")
}

// ParseWazuhField is ParseField for Wazuh's words: the exact ones only, and data is no other name of extra_data but a dynamic field.
func ParseWazuhField(word string) (Field, bool) {
	f, ok := ParseField(word)
	return f, ok && word != "data" && (f != Filename || word == f.String())
}

// Decoded is an event with what pre-decoding and decoding found in it.
type Decoded struct {
	*Event
	Location string // the event's; a forwarded alert adds where it was raised
	FullLog  string // Text without control characters
	Log      string // FullLog without its header: what decoders and rules look at
	Hostname string // never empty; for an agent's event the whole location
	Program  string // "" if the header names none

	Decoder    string // the reported decoder's name; "" if none matched
	Parent     string // the parent that the decoder was written under; "" for a top-level one
	Leaf       string // the decoder's own name, before use_own_name is applied
	DecoderID  int    // what decoded_as compares; 0 if none matched
	Category   Category
	Accumulate bool
	FTS        []string // the names of the decoder's fts list
	Rewritten  bool     // fields may hold what does not stand in Log: a plugin or the accumulator set them
	Forwarded  int      // the rule of an alert that another server forwarded, for CategoryOSSECAlert

	fields  [NumFields]string
	present uint32
	dynamic []Dynamic
}

// Dynamic is a field under a name of the decoder author's own.
type Dynamic struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Get returns the field's value, and whether a decoder found it: absent is not empty.
func (d *Decoded) Get(f Field) (string, bool) { return d.fields[f], d.present&(1<<f) != 0 }

// Set gives the field a value, replacing an earlier one.
func (d *Decoded) Set(f Field, value string) {
	d.fields[f] = value
	d.present |= 1 << f
}

// Dynamic returns the dynamic field of that name, compared without regard to case.
func (d *Decoded) Dynamic(name string) (string, bool) {
	for i := range d.dynamic {
		if strings.EqualFold(d.dynamic[i].Name, name) {
			return d.dynamic[i].Value, true
		}
	}
	return "", false
}

// SetDynamic gives the dynamic field of that name a value, replacing an earlier one.
func (d *Decoded) SetDynamic(name, value string) {
	for i := range d.dynamic {
		if d.dynamic[i].Name == name {
			d.dynamic[i].Value = value
			return
		}
	}
	d.dynamic = append(d.dynamic, Dynamic{name, value})
}

// AddDynamic gives the dynamic field of that name a value, unless it has one.
func (d *Decoded) AddDynamic(name, value string) {
	for i := range d.dynamic {
		if d.dynamic[i].Name == name {
			return
		}
	}
	d.dynamic = append(d.dynamic, Dynamic{name, value})
}

// Dynamics returns the dynamic fields in the order in which they were found. The slice is the event's own.
func (d *Decoded) Dynamics() []Dynamic { return d.dynamic }

// Place returns what a rule's hostname looks at: the host, and of an integrity event also where it is from, which tells the registry from files.
// With OSSEC that host is the whole location, "(web1) 192.0.2.7->syscheck-registry".
func (d *Decoded) Place() string {
	if d.Kind != Syscheck || d.Hostname == d.Location {
		return d.Hostname
	}
	return d.Hostname + "->" + d.Location
}

// Reset makes d the bare reading of ev, keeping the memory it owns.
func (d *Decoded) Reset(ev *Event) {
	dynamic := d.dynamic[:0]
	*d = Decoded{Event: ev, Location: ev.Location, Category: CategorySyslog, dynamic: dynamic}
}
