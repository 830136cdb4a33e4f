// Package rules holds the decoders and rules that Yagura starts with, as files in OSSEC's XML.
//
//	ossec.conf        names the files below, in the order in which they are read
//	decoders/*.xml    decoders: what program wrote the line, and which fields are in it
//	rules/*.xml       rules: what the line means; OSSEC's ids, levels and groups, patterns and texts of our own
//	tests/*.ini       for every rule, lines that must and must not reach it
//	rootcheck/*.txt   what rootkits leave, and policies; for the agent, in OSSEC's .txt
//	local/README.md   where an operator's own files go; not embedded
package rules

import "embed"

// FS is this folder's tree, rooted at ossec.conf. It is read-only and always complete.
//
//go:embed ossec.conf decoders/*.xml rules/*.xml tests/*.ini
var FS embed.FS

// Rootcheck is rootcheck's files, apart from FS: an agent needs no rules, and the engine no names of rootkits.
//
//go:embed rootcheck/*.txt
var Rootcheck embed.FS
