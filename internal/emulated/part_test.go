package emulated_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/yagura-hids/yagura/internal/emulated"
	"github.com/yagura-hids/yagura/internal/emulated/emulatedtest"
)

var parts = map[string]*emulated.Part{
	"kinesalite": emulated.Kinesis, "dynalite": emulated.Dynalite, "DynamoDB Local": emulated.DynamoDB, "moto": emulated.Moto,
}

// TestMain also is the process that TestEndsWithItsParent kills: it starts all parts, says where they are, and waits.
func TestMain(m *testing.M) {
	if dir := os.Getenv("START_PARTS_OF"); dir != "" {
		for _, p := range parts {
			run, err := p.Start(context.Background(), dir)
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println(run.URL)
		}
		fmt.Println("all")
		select {}
	}
	os.Exit(m.Run())
}

func TestEndsWithItsParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "START_PARTS_OF="+emulatedtest.Dir(t))
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var hosts []string
	lines := bufio.NewScanner(output)
	for lines.Scan() && lines.Text() != "all" {
		hosts = append(hosts, strings.TrimPrefix(lines.Text(), "http://"))
	}
	for _, host := range hosts {
		if !answers(host) {
			t.Errorf("nothing answers at %q", host)
		}
	}
	if err := cmd.Process.Kill(); err != nil || len(hosts) != len(parts) {
		t.Fatal(err, hosts)
	}
	_ = cmd.Wait()
	for _, host := range hosts {
		for until := time.Now().Add(20 * time.Second); answers(host); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%s still answers, although the process that started it was killed", host)
			}
		}
	}
}

func answers(host string) bool {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

func TestListensOnLoopbackOnly(t *testing.T) {
	var others []net.IP
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && !network.IP.IsLinkLocalUnicast() {
			others = append(others, network.IP)
		}
	}
	others = append(others, net.IPv4(127, 0, 0, 2)) // what listens everywhere answers here, too, also on a machine without a network
	for name, p := range parts {
		port := strings.TrimPrefix(emulatedtest.Start(t, p), "http://127.0.0.1:")
		if !answers("127.0.0.1:" + port) {
			t.Errorf("%s doesn't answer at 127.0.0.1:%s", name, port)
		}
		for _, ip := range others {
			if host := net.JoinHostPort(ip.String(), port); ip.String() != "127.0.0.1" && answers(host) {
				t.Errorf("%s answers at %s", name, host)
			}
		}
	}
}

func TestSaysWhatAPartSaidLast(t *testing.T) {
	dir := t.TempDir()
	if _, err := emulated.Moto.Start(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "start moto") {
		t.Errorf("got %v from a folder where nothing is installed", err)
	}
	run, err := emulated.Moto.Start(t.Context(), emulatedtest.Dir(t))
	if err != nil {
		t.Fatal(err)
	}
	run.Close()
	<-run.Ended()
	if text := run.Err().Error(); !strings.Contains(text, "moto ended: signal: killed") {
		t.Errorf("got %q", text)
	}
}
