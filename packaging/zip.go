package packaging

import (
	"archive/zip"
	"context"
	"errors"
	"os"
	"path/filepath"
)

// zip packs what Windows gets: the program, and install.ps1, which makes a service of it.
func (r *Release) zip(_ context.Context, _ target, program, file string) (err error) {
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	w := zip.NewWriter(out)
	for _, f := range []struct{ name, from string }{
		{"LICENSE.txt", filepath.Join(r.Root, "LICENSE")},
		{"install.ps1", filepath.Join(r.Root, "packaging", "install.ps1")},
		{"ossec.conf", filepath.Join(r.Root, "packaging", "ossec.conf")},
		{"yagura-agent.exe", program},
	} {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		entry, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: r.Date.UTC()})
		if err != nil {
			return err
		}
		if _, err := entry.Write(data); err != nil {
			return err
		}
	}
	return w.Close()
}
