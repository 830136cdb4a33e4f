package syscheck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

func TestBuckets(t *testing.T) {
	var many []int
	for b := range syscheck.Buckets {
		many = append(many, b)
	}
	for text, buckets := range map[string][]int{"all": nil, "17,200": {17, 200}, "0": {0}} {
		got, err := syscheck.ParseBuckets(text)
		if err != nil || !slices.Equal(got, buckets) || syscheck.FormatBuckets(buckets) != text {
			t.Errorf("%q: %v, %v; and back %q", text, got, err, syscheck.FormatBuckets(buckets))
		}
	}
	if got := syscheck.FormatBuckets(many); got != "all" {
		t.Errorf("all of them: %q", got)
	}
	if got := syscheck.FormatBuckets(many[56:]); len(got) > 880 || strings.Count(got, ",") != 199 {
		t.Errorf("200 of them: %d bytes: %q", len(got), got)
	}
	for _, text := range []string{"", "x", "-1", "256", "1,", "1 2", strings.Repeat("1,", 256) + "1"} {
		if got, err := syscheck.ParseBuckets(text); err == nil {
			t.Errorf("%.20q is taken: %v", text, got)
		}
	}
}
