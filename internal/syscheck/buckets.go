package syscheck

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	allBuckets  = "all"
	mostBuckets = 200 // that are named one by one: a command to a host has at most 900 bytes
)

// FormatBuckets writes which buckets are to be told again: "17,200", or "all" if there are none in the list, or nearly all.
func FormatBuckets(buckets []int) string {
	if len(buckets) == 0 || len(buckets) > mostBuckets {
		return allBuckets
	}
	var names []string
	for _, b := range buckets {
		names = append(names, strconv.Itoa(b))
	}
	return strings.Join(names, ",")
}

// ParseBuckets reads what FormatBuckets wrote; nil is all of them.
func ParseBuckets(text string) ([]int, error) {
	if text == allBuckets {
		return nil, nil
	}
	var buckets []int
	for name := range strings.SplitSeq(text, ",") {
		b, err := strconv.Atoi(name)
		if err != nil || b < 0 || b >= Buckets {
			return nil, fmt.Errorf("bucket %.20q: want numbers from 0 to %d between commas, or %q", name, Buckets-1, allBuckets)
		}
		if buckets = append(buckets, b); len(buckets) > Buckets {
			return nil, fmt.Errorf("more than %d buckets: there are no more", Buckets)
		}
	}
	return buckets, nil
}
