package legacy

import (
	"strconv"
	"strings"

	"github.com/yagura-hids/yagura/internal/syscheck"
)

// gone stands in a sum's place for a file that was deleted.
const gone = "-1"

// sum is what an agent tells of a file:
//
//	1204:33188:0:0:0cc175b9c0f1b6a831c399e269772661:86f7e437faa5a7fce15d1ddcb9eaeaea377667b8[:SHA-256]
//
// mode is st_mode; of a Windows file uid is a SID. A hash that is not known is "", told as xxx. Of what is not checked an agent tells 0.
type sum struct {
	size     int64
	mode     uint32
	uid, gid string
	hashes   [3]string // MD5, SHA-1, SHA-256
}

// digits are how long the hashes are.
var digits = [3]int{32, 40, 64}

// maxOwner is how long a SID is at most.
const maxOwner = 256

// parseSum reads what an agent tells, or what String returned.
func parseSum(text string) (s sum, ok bool) {
	fields := strings.Split(clip(text, 1024), ":")
	if len(fields) != 6 && len(fields) != 7 {
		return s, false
	}
	size, err1 := strconv.ParseInt(fields[0], 10, 64)
	mode, err2 := strconv.ParseUint(fields[1], 10, 32)
	s.size, s.mode, s.uid, s.gid = size, uint32(mode), fields[2], fields[3]
	if err1 != nil || err2 != nil || s.uid == "" || s.gid == "" || len(s.uid)+len(s.gid) > maxOwner {
		return s, false
	}
	for i, h := range fields[4:] {
		if h == "" || h == "xxx" {
			continue
		}
		if !isHash(h, digits[i]) {
			return s, false
		}
		s.hashes[i] = h
	}
	return s, true
}

func isHash(s string, digits int) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) == digits
}

// String returns the sum as an agent would tell it: with six fields if no SHA-256 is known.
func (s *sum) String() string {
	b := make([]byte, 0, 192)
	b = strconv.AppendInt(b, s.size, 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(s.mode), 10)
	for _, text := range [...]string{s.uid, s.gid, s.hashes[0], s.hashes[1], s.hashes[2]} {
		if text == "" {
			text = "xxx"
		}
		b = append(append(b, ':'), text...)
	}
	return strings.TrimSuffix(string(b), ":xxx")
}

// over returns what is known after s was told of what was known as old, and whether the file has changed. What is missing in s is no change,
// and what old knew of it still holds if nothing else says that the content is another one: an agent's start-up message of its own
// ossec.conf has no SHA-256, and a file that can't be read for a while has no hash at all.
func (s sum) over(old sum) (now sum, changed bool) {
	if s.mode == 0 {
		s.mode = old.mode
	}
	another := s.size != old.size
	for i, h := range s.hashes {
		another = another || h != old.hashes[i] && h != "" && old.hashes[i] != ""
	}
	for i, h := range s.hashes {
		if h == "" && !another {
			s.hashes[i] = old.hashes[i]
		}
	}
	return s, another || s.uid != old.uid || s.gid != old.gid || s.mode != old.mode && old.mode != 0
}

// record returns what a message tells of it: of a registry's key, the hashes.
func (s *sum) record(bucket string) *syscheck.Record {
	r := &syscheck.Record{MD5: s.hashes[0], SHA1: s.hashes[1], SHA256: s.hashes[2]}
	if bucket == files {
		r.Size, r.Mode, r.UID, r.GID = s.size, s.mode, s.uid, s.gid
	}
	return r
}
