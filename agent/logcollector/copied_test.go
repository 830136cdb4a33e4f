package logcollector_test

import (
	"os"
	"strings"
	"testing"
)

// What was not read when a log was truncated stands in a copy beside it.
func TestCopied(t *testing.T) {
	tests := []struct {
		name string
		run  func(o *owner)
		want string
	}{
		{"while we look", func(o *owner) {
			o.copyTo("log", "log.1")
			o.truncate("log")
			o.append("log", "4\n")
			o.run()
		}, "2 3 4"},
		{"while nobody does", func(o *owner) {
			o.kill()
			o.copyTo("log", "log-20261124")
			o.truncate("log")
			o.append("log", "4\n")
			o.start()
		}, "2 3 4"},
		{"and grown beyond where it was read", func(o *owner) {
			o.copyTo("log", "log.1")
			o.truncate("log")
			o.append("log", strings.Repeat("4\n", 5))
			o.run()
		}, "2 3 4 4 4 4 4"},
		{"and packed", func(o *owner) {
			o.kill()
			o.append("log.1.gz", string(gz(o.t, "1\n2\n3\n")))
			o.truncate("log")
			o.append("log", "4\n")
			o.start()
		}, "2 3 4"},
		{"twice, and packed once", func(o *owner) {
			o.kill()
			o.append("log.2.zst", string(zst(o.t, "1\n2\n3\n")))
			o.append("log.1", "4\n5\n")
			o.truncate("log")
			o.append("log", "6\n")
			o.start()
		}, "2 3 4 5 6"},
		{"in the middle of a line", func(o *owner) {
			o.append("log", "ha")
			o.copyTo("log", "log.1")
			o.truncate("log")
			o.append("log", "lf\n")
			o.kill()
			o.start()
			o.run()
		}, "2 3 half"},
		{"renamed, packed, its inode used again", func(o *owner) {
			o.kill()
			o.append("log.1.gz", string(gz(o.t, "1\n2\n3\n")))
			o.remove("log")
			o.append("log", "4\n")
			o.start()
		}, "2 3 4"},
		{"an old archive touched, an unrelated copy", func(o *owner) {
			o.append("log.bak", "old\n")
			o.append("log.2.gz", string(gz(o.t, "old\n")))
			o.run()
		}, "2 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := newOwner(t, syslog("log")).start()
			o.append("log", "1\n")
			o.run()
			o.want("1")
			o.append("log", "2\n3\n")
			tt.run(o)
			o.want(strings.Fields(tt.want)...)
		})
	}
}

func TestTruncatedWithoutACopy(t *testing.T) {
	o := newOwner(t, syslog("log")).start()
	o.append("log", "1\n2\n")
	o.run()
	o.truncate("log")
	o.append("log", "3\n")
	o.run()
	o.want("1", "2", "3")
	if last := o.reports[len(o.reports)-1]; !strings.Contains(last, "log: truncated; what it held after byte 4 is not read") {
		t.Errorf("reports: %q", o.reports)
	}
}

func (o *owner) copyTo(from, to string) {
	o.t.Helper()
	data, err := os.ReadFile(o.path(from))
	if err != nil {
		o.t.Fatal(err)
	}
	o.append(to, string(data))
}
