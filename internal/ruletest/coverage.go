package ruletest

import "github.com/yagura-hids/yagura/internal/ruleset"

// FileCoverage is how many rules of a file the cases reached.
type FileCoverage struct {
	File    string `json:"file"`
	Rules   int    `json:"rules"`
	Reached int    `json:"reached"`
	Missing []int  `json:"missing,omitempty"` // the ids of the others
}

// Coverage tells for each file of rules, in the order of reading, how many of them are reached. The templates, which all events meet, count
// as reached.
func Coverage(set *ruleset.Set, covered map[int]bool) []FileCoverage {
	var list []FileCoverage
	places := map[string]int{}
	for _, r := range set.Rules.Rules() {
		at, known := places[r.Pos.File]
		if !known {
			at = len(list)
			places[r.Pos.File] = at
			list = append(list, FileCoverage{File: r.Pos.File})
		}
		f := &list[at]
		f.Rules++
		if covered[r.ID] || r.ID < firstRule {
			f.Reached++
		} else {
			f.Missing = append(f.Missing, r.ID)
		}
	}
	return list
}

// firstRule is the first id that is no template's.
const firstRule = 10
