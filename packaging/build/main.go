// Command build makes the packages: build VERSION DIR, from the repository's root. VERSION is what git describe says. "make packages" runs
// it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/packaging"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: build VERSION DIR")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "make packages:", err)
		os.Exit(1)
	}
}

func run(described, dir string) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	date, err := commitDate(ctx)
	if err != nil {
		return err
	}
	r := packaging.Release{Root: ".", Version: packaging.Version(described, date), Date: date, Dir: dir}
	if err := r.Build(ctx); err != nil {
		return err
	}
	fmt.Printf("yagura-agent and yagura-relay %s are in %s\n", r.Version, dir)
	return nil
}

// commitDate is SOURCE_DATE_EPOCH, or the date of the commit.
func commitDate(ctx context.Context) (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.CommandContext(ctx, "git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("git log: %w; outside a repository, set SOURCE_DATE_EPOCH to the seconds since 1970 that packages shall bear", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	return time.Unix(seconds, 0), nil
}
