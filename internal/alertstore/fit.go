package alertstore

import (
	"slices"
	"unicode/utf8"

	"github.com/yagura-hids/yagura/internal/event"
	"github.com/yagura-hids/yagura/internal/table"
)

// maxAlert is how long an alert's JSON may be, so that with the other fields it fits into an item.
const maxAlert = table.MaxItem - 8<<10

// cutMark stands where Fit has cut a text.
const cutMark = "… (cut)"

// Fit returns the alert itself if a table can hold it, as it nearly always can. Else, it has some long events of 64 KiB each, it returns a copy
// in which the longest texts are cut, the same whenever it is asked.
func Fit(a *event.Alert) *event.Alert {
	if small(a) {
		return a
	}
	for most := event.MaxText / 2; ; most /= 2 {
		if text, err := encode(a); err != nil || len(text) <= maxAlert || most < len(cutMark) {
			return a // an error is Put's to report
		}
		a = cut(a, most)
	}
}

// small tells whether an alert fits even if all of its text were written as \u0000.
func small(a *event.Alert) bool {
	n := len(a.FullLog) + len(a.Location) + len(a.Hostname) + len(a.Program)
	for _, text := range a.Previous {
		n += len(text)
	}
	for _, f := range a.Fields {
		n += len(f.Name) + len(f.Value)
	}
	return n < maxAlert/16
}

func cut(a *event.Alert, most int) *event.Alert {
	c := *a
	c.FullLog, c.Location, c.Hostname, c.Program = shorter(a.FullLog, most), shorter(a.Location, most), shorter(a.Hostname, most), shorter(a.Program, most)
	c.Previous, c.Fields = slices.Clone(a.Previous), slices.Clone(a.Fields)
	for i, text := range c.Previous {
		c.Previous[i] = shorter(text, most)
	}
	for i, f := range c.Fields {
		c.Fields[i] = event.Dynamic{Name: shorter(f.Name, most), Value: shorter(f.Value, most)}
	}
	return &c
}

func shorter(text string, most int) string {
	if len(text) <= most {
		return text
	}
	end := most - len(cutMark)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + cutMark
}
