// flood measures how many datagrams a relay takes per second of CPU: Yagura's, or OSSEC's ossec-remoted.
//
//	flood -keys client.keys                                  writes the keys of the hosts, each at an address of 127.1.0.0/16
//	flood -relay 127.0.0.1:1514 -pid PID                     start-up of each host, its ack; then the load
//	flood -drain /var/ossec/queue/ossec/queue                takes what ossec-remoted passes on, in analysisd's place
//	flood -serve STATE -relay 127.0.0.1:1514                 runs Yagura's relay, with those keys
//
// Everything is sealed before it is sent. CPU is the process's, by /proc/PID/stat; what the socket lost, by /proc/net/udp.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/yagura-hids/yagura/agent/relay/relaytest"
	"github.com/yagura-hids/yagura/internal/wire"
)

func main() {
	var f flood
	var cipher string
	flag.StringVar(&f.relay, "relay", "127.0.0.1:1514", "where the relay listens")
	flag.StringVar(&f.keys, "keys", "", "write this client.keys, and nothing else")
	flag.StringVar(&f.drain, "drain", "", "take remoted's events from this socket, and nothing else")
	flag.StringVar(&f.serve, "serve", "", "run a relay that keeps its state in this folder, and nothing else")
	flag.StringVar(&cipher, "cipher", "blowfish", "blowfish or aes")
	flag.IntVar(&f.pid, "pid", 0, "the relay's process")
	flag.IntVar(&f.hosts, "hosts", 500, "how many hosts")
	flag.IntVar(&f.each, "each", 400, "how many events each of them sends")
	flag.IntVar(&f.rate, "rate", 0, "datagrams a second; 0: as fast as can be")
	flag.Parse()
	if cipher == "aes" {
		f.cipher = wire.AES
	}
	if err := f.run(); err != nil {
		log.Fatal(err)
	}
}

type flood struct {
	relay, keys, drain, serve string
	cipher                    wire.Cipher
	pid, hosts, each, rate    int
}

func (f *flood) run() error {
	if f.serve != "" {
		return serve(f.serve, f.relay, f.hosts)
	}
	keys, err := relaytest.Keys(f.hosts)
	if err != nil {
		return err
	}
	if f.keys != "" {
		return writeKeys(f.keys, keys)
	}
	if f.drain != "" {
		return drain(f.drain)
	}
	at, err := netip.ParseAddrPort(f.relay)
	if err != nil {
		return err
	}
	hosts, err := relaytest.Own(keys, at)
	if err != nil {
		return err
	}
	defer relaytest.Close(hosts)
	return f.measure(hosts, at.Port())
}

func writeKeys(path string, keys []wire.Key) error {
	var lines strings.Builder
	for _, k := range keys {
		lines.WriteString(k.String() + "\n")
	}
	return os.WriteFile(path, []byte(lines.String()), 0o600)
}

// drain takes events in analysisd's place until it is told to end, and says how many.
func drain(path string) error {
	_ = os.Remove(path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return err
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-end
		_ = conn.Close()
	}()
	for n, buf := 0, make([]byte, 8<<10); ; n++ {
		_, err := conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			fmt.Printf("%d events were passed on\n", n)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (f *flood) measure(hosts []*relaytest.Host, port uint16) error {
	for _, h := range hosts {
		h.Cipher = f.cipher
	}
	if err := greet(hosts); err != nil {
		return err
	}
	load, err := relaytest.Seal(hosts, f.each, line)
	if err != nil {
		return err
	}
	lost, err := drops(port)
	if err != nil {
		return err
	}
	was, err := f.settled()
	if err != nil {
		return err
	}
	took, err := load.Send(f.rate)
	if err != nil {
		return err
	}
	now, err := f.settled()
	if err != nil {
		return err
	}
	after, err := drops(port)
	if err != nil {
		return err
	}
	cpu, taken := now-was, load.Len()-(after-lost)
	fmt.Printf("%d datagrams of %d hosts sent in %.2f s (%.0f/s), %d lost by the socket, %d taken with %.2f s of CPU: %.0f per second of CPU\n",
		load.Len(), len(hosts), took.Seconds(), float64(load.Len())/took.Seconds(), after-lost, taken, cpu.Seconds(), float64(taken)/cpu.Seconds())
	return nil
}

// greet makes each host known: it starts, and is acked.
func greet(hosts []*relaytest.Host) error {
	for _, h := range hosts {
		acked := false
		for range 10 {
			if err := h.Startup(); err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			err := h.Await(ctx, func(s relaytest.Seen) bool { return s.Acks > 0 })
			cancel()
			if acked = err == nil; acked {
				break
			}
		}
		if !acked {
			return fmt.Errorf("host %s is not acked", h.Node)
		}
	}
	return nil
}

// line is a log event of 150 bytes, each another.
func line(host, i int) string {
	const all = 150
	text := fmt.Sprintf("1:/var/log/auth.log:Nov 25 10:%02d:%02d host-%03d sshd[%d]: Failed password for invalid user u%d from 198.51.100.%d port %d ssh2",
		i/60%60, i%60, host, 1000+i, i*7919%10007, i*31%256, 1024+i*101%60000)
	return text + strings.Repeat(" ", max(0, all-len(text)))
}

// settled waits until the process is idle, and returns its CPU until now.
func (f *flood) settled() (cpu time.Duration, err error) {
	for same := 0; same < 5; {
		now, err := cpuOf(f.pid)
		if err != nil {
			return 0, err
		}
		if same++; now != cpu {
			same = 0
		}
		cpu = now
		time.Sleep(100 * time.Millisecond)
	}
	return cpu, nil
}

// cpuOf is a process's CPU, user and system, in steps of 10 ms.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond, nil
}

// drops is how many datagrams the sockets of a port have lost for want of room.
func drops(port uint16) (int, error) {
	lost, suffix := 0, fmt.Sprintf(":%04X", port)
	for _, path := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		table, err := os.ReadFile(path)
		if err != nil {
			return 0, err
		}
		for _, row := range strings.Split(string(table), "\n")[1:] {
			fields := strings.Fields(row)
			if len(fields) < 13 || !strings.HasSuffix(fields[1], suffix) {
				continue
			}
			n, err := strconv.Atoi(fields[12])
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			lost += n
		}
	}
	return lost, nil
}
