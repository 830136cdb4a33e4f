// Command install brings the emulated parts of AWS into a folder: go run ./internal/emulated/install .cache/aws
//
// The tests would do so by themselves, but silently, and a test's time is bounded.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/yagura-hids/yagura/internal/emulated"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: install DIR")
		os.Exit(2)
	}
	if err := emulated.Install(context.Background(), os.Args[1], func(s string) { fmt.Fprintln(os.Stderr, s) }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
