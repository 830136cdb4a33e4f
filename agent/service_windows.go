package main

import (
	"context"
	"fmt"

	"golang.org/x/sys/windows/svc"
)

const serviceName = "yagura-agent"

// service runs the agent: as Windows's service manager asks, if that started it, else as a process like any other.
func service(ctx context.Context, run func(context.Context) error) error {
	managed, err := svc.IsWindowsService()
	if err != nil {
		return fmt.Errorf("ask how this was started: %w", err)
	}
	if !managed {
		return run(ctx)
	}
	m := &managedService{ctx: ctx, run: run}
	if err := svc.Run(serviceName, m); err != nil {
		return fmt.Errorf("service %s: %w", serviceName, err)
	}
	return m.err
}

type managedService struct {
	ctx context.Context
	run func(context.Context) error
	err error
}

// Execute runs the agent until the service manager stops it. It returns the service's exit code.
func (m *managedService) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (specific bool, code uint32) {
	ctx, cancel := context.WithCancel(m.ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- m.run(ctx) }()
	status <- svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	for {
		select {
		case m.err = <-ended:
			if m.err != nil {
				return true, 1
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				status <- svc.Status{State: svc.StopPending}
				cancel()
			}
		}
	}
}
