//go:build unix

package main

import "context"

// service runs the agent. Here a service is a process like any other.
func service(ctx context.Context, run func(context.Context) error) error { return run(ctx) }
