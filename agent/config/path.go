package config

import (
	"path/filepath"
	"regexp"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// home returns where a file's relative paths begin.
func home(file string) string {
	dir := filepath.Dir(file)
	if filepath.Base(dir) == "etc" {
		return filepath.Dir(dir)
	}
	return dir
}

// ofWindows is how a path begins that only Windows has: a drive, a share, a variable.
var ofWindows = regexp.MustCompile(`^([A-Za-z]:[\\/]|\\\\|%[A-Za-z_][A-Za-z0-9_()]+%)`)

// absolute tells whether a path begins at the root.
func (r *reader) absolute(path string) bool {
	if r.host.System == "windows" {
		return ofWindows.MatchString(path)
	}
	return strings.HasPrefix(path, "/")
}

// foreign tells whether a path is one of another system.
func (r *reader) foreign(path string) bool {
	if r.host.System == "windows" {
		return strings.HasPrefix(path, "/")
	}
	return ofWindows.MatchString(path)
}

// whole returns a path from the root on; "-" is the standard input.
func (r *reader) whole(path string) string {
	if path == "" || path == "-" || r.absolute(path) || r.foreign(path) {
		return path
	}
	return filepath.Join(r.home, path)
}

// isPattern tells whether a path that may have * ? [ is well formed.
func (r *reader) isPattern(e *osxml.Element, path string) bool {
	_, err := filepath.Match(path, "")
	if err != nil {
		r.faults.Add(e.Pos, "close every [ with a ]", "%q: %v", path, err)
	}
	return err == nil
}

// fold makes equal what names the same directory.
func (r *reader) fold(path string) string {
	if r.host.System == "windows" {
		return strings.ToLower(strings.TrimRight(path, `\/`))
	}
	if short := strings.TrimRight(path, "/"); short != "" {
		return short
	}
	return path
}
