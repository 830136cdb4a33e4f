package alertstore_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/alertstore"
)

func TestFilterValues(t *testing.T) {
	f := alertstore.Filter{
		From: noon, To: noon.Add(time.Nanosecond), Level: 7, Rules: []int{5716, 5720}, Group: "a&b", SrcIP: "::1", Agent: "a", Host: "h", Text: "x=y z", Limit: 9, After: "abc",
	}
	values, err := url.ParseQuery(f.Values().Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := alertstore.ParseFilter(values); err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = alertstore.ParseFilter(url.Values{"level": {"high"}, "from": {"yesterday"}, "rule": {"1", "-2"}})
	for _, want := range []string{`level="high": want a number`, `from="yesterday": want a time`, `rule="-2": want a rule's number`} {
		if !errors.Is(err, alertstore.ErrFilter) || !strings.Contains(err.Error(), want) {
			t.Errorf("not told %s: %v", want, err)
		}
	}
}

// FuzzParseFilter: what is understood is written and understood again as the same.
func FuzzParseFilter(f *testing.F) {
	f.Add("level=7&rule=5716&rule=5720&from=2026-11-23T12:00:00Z&text=a+b&limit=3")
	f.Add("to=2026-11-23T12:00:00.5%2B09:00&after=x&group=g&srcip=192.0.2.1&host=h")
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		first, err := alertstore.ParseFilter(values)
		if err != nil {
			return
		}
		second, err := alertstore.ParseFilter(first.Values())
		if err != nil || fmt.Sprint(second.Values()) != fmt.Sprint(first.Values()) {
			t.Errorf("%+v became %+v, %v", first, second, err)
		}
	})
}
