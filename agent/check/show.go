package check

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Show writes results, as JSON lines or for people, for whom colours may tell verdicts apart.
func Show(w io.Writer, results []Result, asJSON, colour bool) error {
	for _, r := range results {
		err := error(nil)
		if asJSON {
			err = json.NewEncoder(w).Encode(r)
		} else {
			_, err = io.WriteString(w, text(r, colour))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var colours = map[Verdict]string{OK: "32", Warn: "33", Fail: "31"}

// text is one result for people: what was looked at, what was seen, and the way out below.
func text(r Result, colour bool) string {
	verdict := fmt.Sprintf("%-5s", r.Verdict)
	if colour {
		verdict = "\x1b[" + colours[r.Verdict] + "m" + verdict + "\x1b[0m"
	}
	indent := func(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n      ") }
	out := fmt.Sprintf("%s %s: %s\n", verdict, r.Name, indent(r.Seen))
	if r.Hint != "" && r.Verdict != OK {
		out += "      → " + indent(r.Hint) + "\n"
	}
	return out
}
