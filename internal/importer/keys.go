package importer

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// An agent's line in client.keys: id, name, address, key. What manage_agents removed has a mark before its name or its line.
var (
	agentID   = regexp.MustCompile(`^[0-9]{3,8}$`)
	agentName = regexp.MustCompile(`^[A-Za-z0-9_.-]{2,128}$`)
	agentKey  = regexp.MustCompile(`^[A-Za-z0-9]{32,128}$`)
)

// parseKeys returns the lines of client.keys that are agents', how many they are, and what is wrong with the others. It never shows a key.
func parseKeys(name string, text []byte) (good []byte, agents int, left []Left) {
	seen := map[string]int{}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#") || strings.HasPrefix(line, " ") || len(words) > 1 && strings.ContainsAny(words[1][:1], "!#"):
			continue // remarks, and agents that were removed
		}
		why := badKey(words)
		if why == "" {
			for _, word := range words[:2] {
				if first := seen[word]; first > 0 && why == "" {
					why = fmt.Sprintf("has the id or name of line %d", first)
				}
			}
		}
		if why != "" {
			left = append(left, Left{fmt.Sprintf("%s:%d", name, number), why})
			continue
		}
		seen[words[0]], seen[words[1]] = number, number
		good = append(append(good, line...), '\n')
		agents++
	}
	return good, agents, left
}

// badKey returns what is wrong with an agent's line, "" for nothing.
func badKey(words []string) string {
	switch {
	case len(words) != 4:
		return fmt.Sprintf("has %d words, not id, name, address and key", len(words))
	case !agentID.MatchString(words[0]):
		return "begins with no id of 3 to 8 digits"
	case !agentName.MatchString(words[1]):
		return "has no name of 2 to 128 letters, digits, _ . and -"
	case !isAddress(words[2]):
		return "has no address: want any, an address, or address/bits"
	case !agentKey.MatchString(words[3]):
		return "has no key of 32 to 128 letters and digits"
	}
	return ""
}

func isAddress(text string) bool {
	if text == "any" {
		return true
	}
	address, mask, network := strings.Cut(strings.TrimPrefix(text, "!"), "/")
	ip, err := netip.ParseAddr(address)
	if err != nil || !network {
		return err == nil
	}
	if _, err := netip.ParseAddr(mask); err == nil { // 255.255.255.0
		return true
	}
	bits, err := strconv.Atoi(mask)
	return err == nil && bits >= 0 && bits <= ip.BitLen()
}
