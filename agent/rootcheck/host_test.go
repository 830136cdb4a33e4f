//go:build linux

package rootcheck_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/yagura-hids/yagura/agent/rootcheck"
)

// TestNothingHidden holds the checks of processes, ports and interfaces to finding nothing on a host on which others come and go.
func TestNothingHidden(t *testing.T) {
	done := make(chan struct{})
	go func() { // processes, threads and ports that live for moments
		defer close(done)
		for range 50 {
			run(t, "true")
			if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
				l.Close()
			}
			if l, err := net.ListenPacket("udp", "127.0.0.1:0"); err == nil {
				l.Close()
			}
		}
	}()
	conf := only(rootcheck.Processes|rootcheck.Ports|rootcheck.Interfaces, "")
	found, reports := once(t, conf)
	want(t, found)
	<-done
	if len(reports) != 0 {
		t.Error(reports)
	}
}

// TestHiddenFromPS hides a process as a replaced ps does.
func TestHiddenFromPS(t *testing.T) {
	pid := sleeper(t)
	script(t, "ps", real(t, "ps")+` "$@" | grep -v "^ *`+strconv.Itoa(pid)+`$"`)
	found, _ := once(t, only(rootcheck.Processes, ""))
	want(t, found, sprint("Process '%d' hidden from ps. Possible trojaned version installed.", pid))
}

// TestHiddenFromProc hides processes by mounting over their directories in /proc, which is done on real hosts: an empty directory, and
// another process's.
func TestHiddenFromProc(t *testing.T) {
	if !isApart(t) {
		apart(t, "-m", t.Name())
		return
	}
	empty, other := sleeper(t), sleeper(t)
	for pid, dir := range map[int]string{empty: t.TempDir(), other: "/proc/1"} {
		over := "/proc/" + strconv.Itoa(pid)
		run(t, "mount", "--bind", dir, over)
		defer run(t, "umount", over)
	}
	found, _ := once(t, only(rootcheck.Processes, ""))
	want(t, found,
		sprint("Process '%d' hidden from /proc. Possible kernel level rootkit.", empty),
		sprint("Process '%d' hidden from /proc. Possible kernel level rootkit.", other))
}

// TestManyHidden: a ps that shows one process of all.
func TestManyHidden(t *testing.T) {
	for range 20 {
		sleeper(t)
	}
	script(t, "ps", "echo 1")
	found, _ := once(t, only(rootcheck.Processes, ""))
	if len(found) != 16 || found[15] != "Excessive number of hidden processes. It maybe a false-positive or something really bad is going on." {
		t.Errorf("%d: %q", len(found), found)
	}
}

// listen takes a port of TCP and one of UDP.
func listen(t *testing.T) (tcp, udp int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", "[::1]:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); p.Close() })
	return l.Addr().(*net.TCPAddr).Port, p.LocalAddr().(*net.UDPAddr).Port
}

// TestHiddenFromTools hides ports as a replaced ss or netstat does.
func TestHiddenFromTools(t *testing.T) {
	for _, tool := range []string{"ss", "netstat"} {
		t.Run(tool, func(t *testing.T) {
			tcp, udp := listen(t)
			script(t, tool, real(t, tool)+sprint(` "$@" | grep -v -e ":%d " -e ":%d "`, tcp, udp))
			found, _ := once(t, only(rootcheck.Ports, ""))
			want(t, found,
				sprint("Port '%d'(tcp) hidden. Kernel-level rootkit or trojaned version of netstat.", tcp),
				sprint("Port '%d'(udp) hidden. Kernel-level rootkit or trojaned version of netstat.", udp))
		})
	}
}

// TestHiddenFromKernelTables hides ports as a rootkit in the kernel does: its tables are covered by ones without them. A port that was taken,
// and on which nobody listens, stands in no table and isn't hidden.
func TestHiddenFromKernelTables(t *testing.T) {
	if !isApart(t) {
		apart(t, "-mn", t.Name()) // on the host's own network, others would open ports that the cover hides, too
		return
	}
	run(t, "ip", "link", "set", "lo", "up")
	tcp, udp := listen(t)
	idle, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(idle)
	if err := unix.Bind(idle, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	cover := t.TempDir()
	for table, port := range map[string]int{"tcp": tcp, "tcp6": 0, "udp": 0, "udp6": udp} {
		data, err := os.ReadFile("/proc/self/net/" + table)
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for line := range strings.Lines(string(data)) {
			if port == 0 || !strings.Contains(line, sprint(":%04X ", port)) {
				kept = append(kept, line)
			}
		}
		write(t, filepath.Join(cover, table), strings.Join(kept, ""))
	}
	dir := sprint("/proc/%d/net", os.Getpid())
	run(t, "mount", "--bind", cover, dir)
	defer run(t, "umount", dir)
	found, _ := once(t, only(rootcheck.Ports, ""))
	want(t, found,
		sprint("Port '%d'(tcp) hidden. Kernel-level rootkit or trojaned version of netstat.", tcp),
		sprint("Port '%d'(udp) hidden. Kernel-level rootkit or trojaned version of netstat.", udp))
}

func TestPromiscuous(t *testing.T) {
	if !isApart(t) {
		apart(t, "-n", t.Name())
		return
	}
	run(t, "ip", "link", "add", "asked", "type", "veth", "peer", "name", "quiet")
	run(t, "ip", "link", "add", "sniffed", "type", "veth", "peer", "name", "member")
	run(t, "ip", "link", "add", "br0", "type", "bridge")
	run(t, "ip", "link", "set", "member", "master", "br0") // a bridge takes all packets of its members
	run(t, "ip", "link", "set", "asked", "promisc", "on")
	sniff(t, "sniffed")
	found, _ := once(t, only(rootcheck.Interfaces, ""))
	want(t, found, "Interface 'asked' in promiscuous mode.", "Interface 'sniffed' in promiscuous mode.")

	script(t, "ifconfig", real(t, "ifconfig")+` "$@" | sed s/,PROMISC//`)
	found, _ = once(t, only(rootcheck.Interfaces, ""))
	want(t, found, "Interface 'asked' in promiscuous mode, but ifconfig is not showing it(probably trojaned).",
		"Interface 'sniffed' in promiscuous mode.")
}

// sniff takes all packets of an interface, as tcpdump does.
func sniff(t *testing.T, name string) {
	t.Helper()
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	req := unix.PacketMreq{Ifindex: int32(ifi.Index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &req); err != nil {
		t.Fatal(err)
	}
}
