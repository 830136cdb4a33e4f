package ruleset

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/config"
)

// wazuh returns the files of a folder laid out as Wazuh's, and whether it is:
//
//	ruleset/decoders/*.xml  ruleset/rules/*.xml  ruleset/lists/…    as a Wazuh 4 manager's /var/ossec
//	decoders/*.xml          rules/*.xml          lists/…            as the ruleset's repository
//	etc/decoders/*.xml      etc/rules/*.xml      etc/lists/…        its user's own, if they are there
//
// It holds a whole ruleset if among its rules are the templates, in a file NNNN-rules_config.xml that is none of own's. All lists are known.
func wazuh(own, there fs.FS) (config.Rules, bool) {
	for _, base := range []string{"ruleset/", ""} {
		if !exists(there, base+"decoders") || !hasTemplates(own, there, base+"rules") {
			continue
		}
		rules := config.Rules{Wazuh: true}
		for _, dir := range []string{base, "etc/"} {
			rules.Decoders = append(rules.Decoders, addition(there, dir+"decoders")...)
			rules.Includes = append(rules.Includes, addition(there, dir+"rules")...)
			rules.Lists = append(rules.Lists, lists(there, dir+"lists")...)
		}
		return rules, true
	}
	return config.Rules{}, false
}

func hasTemplates(own, there fs.FS, dir string) bool {
	entries, _ := fs.ReadDir(there, dir)
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return strings.HasSuffix(e.Name(), "-rules_config.xml") && !exists(own, "rules/"+e.Name())
	})
}

// lists finds all files below dir: text lists, and compiled ones. It leaves out what can't be read.
func lists(there fs.FS, dir string) []string {
	var names []string
	_ = fs.WalkDir(there, dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return nil
	})
	return names
}

// wazuhPlaces are where a file of a Wazuh ruleset may be: where it is named, as in /var/ossec; or where the ruleset's repository has it.
func wazuhPlaces(name string) []string {
	places := []string{name}
	for _, prefix := range []string{"etc/", "ruleset/"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			places = append(places, "ruleset/"+rest, rest)
		}
	}
	return places
}

// excluded tells whether a <rule_exclude> or <decoder_exclude> names the file, with or without its directory.
func excluded(exclude []string, name string) bool {
	return slices.ContainsFunc(exclude, func(x string) bool { return x == path.Base(name) || path.Clean(strings.TrimLeft(x, "/")) == name })
}
