//go:build unix

package logcollector

import "errors"

// readChannel is for Windows; Check lets no such source through here.
func (c *Collector) readChannel(*stream, string) error {
	return errors.New("event channels are Windows'")
}
