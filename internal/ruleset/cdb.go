package ruleset

import (
	"encoding/binary"
	"errors"
)

// A constant database, as ossec-makelists writes it; numbers are of four bytes, the lowest first:
//
//	256 × (position, slots) of the hash tables │ records: key's length, value's length, key, value │ the hash tables
//
// All of it is read, so the tables only tell where the records end.
const (
	cdbTables = 256
	cdbHeader = cdbTables * 8 // bytes
)

var errNoCDB = errors.New("not a whole constant database; make it anew with ossec-makelists, or put the text there that it is made from")

// parseCDB reads a constant database. Of repeated keys the first counts.
func parseCDB(src []byte) (map[string]string, error) {
	if len(src) < cdbHeader {
		return nil, errNoCDB
	}
	number := func(at int64) int64 { return int64(binary.LittleEndian.Uint32(src[at:])) }
	end := int64(len(src))
	for i := range int64(cdbTables) {
		at, slots := number(8*i), number(8*i+4)
		if at < cdbHeader || at > int64(len(src)) || slots > (int64(len(src))-at)/8 {
			return nil, errNoCDB
		}
		end = min(end, at)
	}
	list := map[string]string{}
	for at := int64(cdbHeader); at < end; {
		if end-at < 8 {
			return nil, errNoCDB
		}
		key, value := number(at), number(at+4)
		at += 8
		if key > end-at || value > end-at-key {
			return nil, errNoCDB
		}
		text := string(src[at : at+key])
		if _, twice := list[text]; !twice {
			list[text] = string(src[at+key : at+key+value])
		}
		at += key + value
	}
	return list, nil
}
