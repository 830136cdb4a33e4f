package rootcheck_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/rootcheck"
	"github.com/yagura-hids/yagura/internal/osxml"
)

// TestOSSEC reads OSSEC's own lists and policies in place, where the environment says that they are.
func TestOSSEC(t *testing.T) {
	root := os.Getenv("OSSEC_ROOTCHECK")
	if root == "" {
		return // not on this machine; make conformance says where to get them
	}
	files, entries := 0, 0
	var faults osxml.Faults
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".txt") {
			return err
		}
		data, err := os.ReadFile(path)
		files++
		switch text := string(data); d.Name() {
		case "rootkit_files.txt":
			entries += rootcheck.ParseRootkits(path, text, &faults)
		case "rootkit_trojans.txt":
			entries += rootcheck.ParseTrojans(path, text, &faults)
		default:
			_, good := rootcheck.ParsePolicy(path, text, &faults)
			entries += good
		}
		return err
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files below %s: %v", files, root, err)
	}
	t.Logf("%d files, %d entries, %d faults\n%v", files, entries, faults.Len(), faults.Err())
}
