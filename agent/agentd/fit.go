package agentd

import (
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/yagura-hids/yagura/internal/codec"
	"github.com/yagura-hids/yagura/internal/event"
)

// fit makes of what a host tells of itself what a batch may hold: long texts are cut, and of too many labels the last by name are left out.
// Tags and labels are written by people.
func fit(h event.Agent) event.Agent {
	for _, text := range []*string{&h.Name, &h.OS, &h.Instance, &h.Image, &h.Account, &h.Profile} {
		*text = fitText(*text)
	}
	h.Addresses = slices.Clone(h.Addresses[:min(len(h.Addresses), codec.MaxDetails)])
	for i, a := range h.Addresses {
		h.Addresses[i] = fitText(a)
	}
	names := slices.Sorted(maps.Keys(h.Labels))
	labels := map[string]string{}
	for _, name := range names[:min(len(names), codec.MaxDetails)] {
		labels[fitText(name)] = fitText(h.Labels[name])
	}
	if h.Labels = labels; len(labels) == 0 {
		h.Labels = nil
	}
	return h
}

func fitText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > codec.MaxName {
		s = strings.ToValidUTF8(s[:codec.MaxName], "")
	}
	return s
}
