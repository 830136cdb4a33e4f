package logcollector

import "time"

// Step looks at the files once and returns what there is to read, without waiting.
func (c *Collector) Step(max int) (Batch, bool) {
	c.scan()
	return c.collect(max)
}

// More goes on reading without looking at the paths again.
func (c *Collector) More(max int) (Batch, bool) { return c.collect(max) }

// SplitAll deals data to the splitter in reads of the sizes given, in turn, and returns its lines.
func SplitAll(data []byte, limit int, sizes []int) (out []Line) {
	l := lines{limit: limit}
	add := func(x line) { out = append(out, Line{Text: string(x.text), Cut: x.cut, Offset: x.off}) }
	for i := 0; len(data) > 0; i++ {
		n := min(len(data), chunk)
		if len(sizes) > 0 {
			n = min(n, max(1, sizes[i%len(sizes)]))
		}
		l.filled(copy(l.room()[:n], data[:n]))
		data = data[n:]
		for x, ok := l.next(); ok; x, ok = l.next() {
			add(x)
		}
	}
	if x, ok := l.rest(); ok {
		add(x)
	}
	return out
}

// ParseEntry returns the lines and the cursor of one journal entry in JSON.
func ParseEntry(b []byte, zone *time.Location) ([]Line, string, error) {
	e, err := parseEntry(b)
	if err != nil {
		return nil, "", err
	}
	return e.lines(zone), e.Cursor, nil
}

// JournalRuns tells whether journalctl has been started and has not ended, for the first stream.
func (c *Collector) JournalRuns() bool { return c.streams[0].running }

// CommandRuns tells whether the first command has been started and has not ended.
func (c *Collector) CommandRuns() bool { return c.commands[0].running }

// WinEventLines returns the lines of one event of Windows.
func WinEventLines(text, message string, account func(sid string) (user, domain string), zone *time.Location) ([]Line, error) {
	e, err := parseWinEvent(text)
	if err != nil {
		return nil, err
	}
	return e.lines(message, account, zone), nil
}

// ReplaceVars is what Windows does to a location.
func ReplaceVars(path string, lookup func(string) (string, bool)) string {
	return replaceVars(path, lookup)
}
