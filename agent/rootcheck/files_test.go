//go:build unix

package rootcheck_test

import (
	"crypto/md5"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yagura-hids/yagura/agent/rootcheck"
)

func TestRootkitFiles(t *testing.T) {
	base := t.TempDir()
	file := write(t, base+"/usr/bin/perfcc", "x")
	write(t, base+"/usr/src/.puta/x", "x")
	list := write(t, t.TempDir()+"/rootkit_files.txt", "usr/bin/perfcc ! Name of two words :: link\nusr/src/.puta ! t0rn ::\nusr/bin/other ! Other ::\n")
	conf := only(rootcheck.FilesCheck, base)
	conf.Files = []string{list}
	found, reports := once(t, conf)
	want(t, found,
		sprint("Rootkit 'Name of two words' detected by the presence of file '%s'. MD5=%x SHA1=11f6ad8ec52a2984abaafd7c3b516503785c2072 SHA256=2d711642b7", file, md5.Sum([]byte("x"))),
		"Rootkit 't0rn' detected by the presence of file '"+base+"/usr/src/.puta'. MD5=n/a SHA1=n/a SHA256=n/a")
	if len(reports) != 0 {
		t.Error(reports)
	}
}

// TestRootkitFileHidden hides a file from lstat, as a rootkit in the kernel may: one of the other ways finds it.
func TestRootkitFileHidden(t *testing.T) {
	base := t.TempDir()
	file := write(t, base+"/usr/bin/perfcc", "x")
	found, _ := once(t, only(rootcheck.FilesCheck, base), hide(file))
	want(t, found, "Rootkit 'perfctl' detected by the presence of file '"+file+"'.")

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", file); err != nil { // it can't be opened either: only its directory tells of it
		t.Fatal(err)
	}
	found, _ = once(t, only(rootcheck.FilesCheck, base), hide(file))
	want(t, found, "Rootkit 'perfctl' detected by the presence of file '"+file+"'.")
}

// hide makes a file unknown to lstat.
func hide(file string) func(r *rootcheck.Rootcheck) {
	return func(r *rootcheck.Rootcheck) {
		r.Lstat(func(path string) (fs.FileInfo, error) {
			if path == file {
				return nil, &fs.PathError{Op: "lstat", Path: path, Err: fs.ErrNotExist}
			}
			return os.Lstat(path)
		})
	}
}

func TestTrojans(t *testing.T) {
	base := t.TempDir()
	ls, err := os.ReadFile(real(t, "ls"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, base+"/usr/bin/ls", string(ls)+"\x00/dev/ttyop\x00")
	write(t, base+"/usr/bin/ps", string(ls))
	write(t, base+"/usr/sbin/sshd", strings.Repeat("a", 16_380)+"login: %s password: %s"+strings.Repeat("b", 20_000)) // one long run
	if err := os.Symlink("usr/bin", base+"/bin"); err != nil {
		t.Fatal(err)
	}
	found, _ := once(t, only(rootcheck.TrojansCheck, base))
	want(t, found, // once, though it's in two directories
		"Trojaned version of file '"+base+"/bin/ls' detected. Signature used: '/dev/(ttyo[afp]|pty[pqrs]$|sgk|\\.lib|xmx)|/usr/lib/\\.ark' (a list of files to hide). MD5=",
		"Trojaned version of file '"+base+"/usr/sbin/sshd' detected. Signature used: '")
}

func TestTrojanGeneric(t *testing.T) {
	base := t.TempDir()
	path := write(t, base+"/opt/x", "\x01abc\x02 abcd\tend\x03")
	conf := only(rootcheck.TrojansCheck, base)
	conf.Trojans = []string{write(t, t.TempDir()+"/t.txt", "/opt/x !^ab[c]$!too short a run\n/opt/x !d.e[n]d$\n")}
	found, _ := once(t, conf)
	want(t, found, "Trojaned version of file '"+path+"' detected. Signature used: 'd.e[n]d$' (Generic). MD5=")
}

func TestDev(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/dev/.hidden/x", "x")
	write(t, base+"/dev/shm/ok", "x")
	write(t, base+"/dev/.udev/ok", "x")
	write(t, base+"/dev/bus/usb/MAKEDEV", "x")
	run(t, "mknod", base+"/dev/null", "c", "1", "3")
	found, _ := once(t, only(rootcheck.Dev, base))
	want(t, found, "File '"+base+"/dev/.hidden/x' present on /dev. Possible hidden file.")
}

func TestSystem(t *testing.T) {
	base := t.TempDir()
	open := write(t, base+"/etc/open", "x")
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	users := write(t, base+"/etc/users", "x")
	if err := os.Chmod(users, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(users, 1000, 1000); err != nil {
		t.Fatal(err)
	}
	kit := write(t, base+"/tmp/a/b/kdevtmpfsi", "x")
	hidden := write(t, base+"/usr/lib/x/hidden", "x")
	write(t, base+"/var/www/ignored/libprocesshider.so", "x")
	conf := only(rootcheck.System, base)
	conf.Ignore = []string{base + "/var/www/ignored"}
	found, _ := once(t, conf, hide(hidden))
	want(t, found,
		"File '"+open+"' is owned by root and has write permissions to anyone.",
		"Rootkit 'Kinsing miner' detected by the presence of file '"+kit+"'. MD5=",
		"Anomaly detected in file '"+hidden+"'. Hidden from stats, but showing up on readdir. Possible kernel level rootkit.")
}

// TestSizeAndLinks lets the kernel say one thing and do another: a file of its own, which says 4096 and gives some bytes, is mounted over a
// program; and a file system in an image, of which one directory has a wrong link count.
func TestSizeAndLinks(t *testing.T) {
	if !isApart(t) {
		apart(t, "-m", t.Name())
		return
	}
	base := t.TempDir()
	file := write(t, base+"/usr/bin/x", "x")
	run(t, "mount", "--bind", "/sys/kernel/mm/transparent_hugepage/enabled", file)
	image := filepath.Join(t.TempDir(), "image")
	run(t, "truncate", "-s", "8M", image)
	run(t, "mkfs.ext4", "-q", image)
	for _, command := range []string{"mkdir a", "mkdir b", "mkdir a/c", "set_inode_field /a links_count 5"} {
		run(t, "debugfs", "-w", "-R", command, image)
	}
	dir := filepath.Dir(write(t, base+"/var/lib/x", "x"))
	run(t, "mount", "-o", "loop", image, dir)
	defer run(t, "umount", dir)
	defer run(t, "umount", file)
	found, _ := once(t, only(rootcheck.System, base))
	want(t, found,
		"Anomaly detected in file '"+file+"'. File size doesn't match what we found. Possible kernel level rootkit. MD5=",
		"Files hidden inside directory '"+dir+"/a'. Link count does not match number of files (5,3).")
}

func TestScanAll(t *testing.T) {
	base := t.TempDir()
	write(t, base+"/proc/1/kdevtmpfsi", "x")
	kit := write(t, base+"/opt/kdevtmpfsi", "x")
	conf := only(rootcheck.System, base)
	conf.ScanAll = true
	found, _ := once(t, conf)
	want(t, found, "Rootkit 'Kinsing miner' detected by the presence of file '"+kit+"'. MD5=")
}
