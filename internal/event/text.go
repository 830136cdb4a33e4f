package event

import (
	"strings"
	"unicode/utf8"
)

// Clip makes text fit for an event: bytes that are no UTF-8 become U+FFFD, a run of them one, and what is beyond MaxText is cut off, which
// cut tells. Readers do this before anybody looks: what is stored as JSON would lose such bytes otherwise, and an event of after a restart
// would not equal one of before.
func Clip(text string) (clipped string, cut bool) {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= MaxText {
		return text, false
	}
	end := MaxText
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end], true
}
