package event_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/event"
)

var at = time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)

func TestID(t *testing.T) {
	id := event.ID{Agent: "web1", Epoch: 0xabc, Seq: 42}
	if got := id.String(); got != "web1/abc/42" {
		t.Errorf("String() = %q", got)
	}
	const known = "a47db28b7668cb82f2ca5a08431bf42c"
	if got := id.AlertID(5716); got != known {
		t.Errorf("AlertID = %q, want %q as ever: stored alerts bear it", got, known)
	}
	seen := map[string]event.ID{}
	for _, other := range []event.ID{id, {"web", 0x31abc, 42}, {"web1", 0xabd, 42}, {"web1", 0xabc, 43}, {"", 0xabc, 42}, {"web1\x00", 0xabc, 42}} {
		for _, rule := range []int{1, 5716} {
			if twin, twice := seen[other.AlertID(rule)]; twice {
				t.Errorf("%v and %v have one alert id", twin, other)
			}
			seen[other.AlertID(rule)] = other
		}
	}
}

func TestFields(t *testing.T) {
	for f := range event.NumFields {
		if got, ok := event.ParseField(f.String()); !ok || got != f || f.String() == "" {
			t.Errorf("field %d is %q, which reads as %d, %t", f, f, got, ok)
		}
	}
	for word, want := range map[string]event.Field{"user": event.DstUser, "data": event.Data, "my_filename2": event.Filename} {
		if got, ok := event.ParseField(word); !ok || got != want {
			t.Errorf("%s reads as %s, %t", word, got, ok)
		}
	}
	for _, word := range []string{"", "SrcIP", "srcip ", "own"} {
		if f, ok := event.ParseField(word); ok {
			t.Errorf("%q reads as %s", word, f)
		}
	}
}

func TestCategories(t *testing.T) {
	for c := range event.Category(20) {
		got, ok := event.ParseCategory(c.String())
		if named := c.String() != "" && c != event.CategoryOSSECAlert; ok != named || named && got != c {
			t.Errorf("category %d is %q, which reads as %d, %t", c, c, got, ok)
		}
	}
}

func TestSplitGroups(t *testing.T) {
	for text, want := range map[string][]string{"syslog,sshd,": {"syslog", "sshd"}, " a, b\n\tc": {"a", "b", "c"}, "": nil, ",,": nil} {
		if got := event.SplitGroups(text); !slices.Equal(got, want) {
			t.Errorf("%q has groups %q, want %q", text, got, want)
		}
	}
}

func TestDecoded(t *testing.T) {
	var d event.Decoded
	d.Reset(&event.Event{Location: "here"})
	if v, ok := d.Get(event.URL); ok {
		t.Errorf("a field that was not set is %q", v)
	}
	d.Set(event.URL, "")
	if v, ok := d.Get(event.URL); !ok || v != "" {
		t.Errorf("an empty field is %q, %t; want it there", v, ok)
	}
	d.SetDynamic("Own", "1")
	d.SetDynamic("own", "2")
	d.SetDynamic("Own", "3")
	if v, ok := d.Dynamic("OWN"); !ok || v != "3" || len(d.Dynamics()) != 2 {
		t.Errorf("Own is %q, %t among %v", v, ok, d.Dynamics())
	}
	d.AddDynamic("Own", "4")
	d.AddDynamic("Added", "5")
	if own, added := d.Dynamics()[0].Value, d.Dynamics()[2].Value; own != "3" || added != "5" || len(d.Dynamics()) != 3 {
		t.Errorf("Own is %q, Added %q among %v", own, added, d.Dynamics())
	}
	d.Decoder, d.FTS, d.Accumulate, d.Forwarded = "x", []string{"id"}, true, 5
	d.Reset(&event.Event{Location: "there"})
	if _, ok := d.Get(event.URL); ok || len(d.Dynamics()) != 0 || d.Decoder != "" || d.FTS != nil || d.Accumulate || d.Forwarded != 0 ||
		d.Location != "there" || d.Category != event.CategorySyslog {
		t.Errorf("after Reset there is still %+v", d)
	}
}

func TestAlert(t *testing.T) {
	var d event.Decoded
	d.Reset(&event.Event{ID: event.ID{Agent: "a", Epoch: 1, Seq: 2}, Time: at, Location: "here"})
	d.SetDynamic("own", "3")
	d.Set(event.URL, "/")
	d.Set(event.SrcIP, "192.0.2.1")
	d.Decoder, d.Parent, d.Hostname, d.Program, d.FullLog = "x", "p", "h", "prog", "full"
	a := event.NewAlert(&d, event.Rule{ID: 7, Level: 5, Groups: []string{"g"}, Info: []event.Info{{Type: "link", Text: "l"}}})
	want := []event.Dynamic{{Name: "srcip", Value: "192.0.2.1"}, {Name: "url", Value: "/"}, {Name: "own", Value: "3"}}
	if !slices.Equal(a.Fields, want) || a.Field("url") != "/" || a.Field("dstip") != "" || a.ID != d.ID.AlertID(7) {
		t.Errorf("alert %+v, want fields %v", a, want)
	}
	d.Reset(&event.Event{})
	d.SetDynamic("own", "other")
	if a.Field("own") != "3" || a.FullLog != "full" {
		t.Errorf("the next event changed the alert: %+v", a)
	}
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	var back event.Alert
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(&back, a) {
		t.Errorf("%s came back as %+v, %v", text, back, err)
	}
}
