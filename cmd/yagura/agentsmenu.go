package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// interactive tells whether somebody can be asked.
func interactive() bool {
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

// questions are put to the user on his terminal.
type questions struct{ in *bufio.Reader }

func newQuestions() questions { return questions{bufio.NewReader(os.Stdin)} }

// ask returns the line that is typed; io.EOF for Ctrl-D, and the context's error for Ctrl-C.
func (q questions) ask(ctx context.Context, question string) (string, error) {
	if _, err := fmt.Print(question + " "); err != nil {
		return "", err
	}
	type answer struct {
		line string
		err  error
	}
	typed := make(chan answer, 1)
	go func() { // reading from a terminal can't be broken off; the program ends then
		line, err := q.in.ReadString('\n')
		typed <- answer{strings.TrimSpace(line), err}
	}()
	select {
	case a := <-typed:
		return a.line, a.err
	case <-ctx.Done():
		fmt.Println()
		return "", ctx.Err()
	}
}

// errNotConfirmed is returned for a "no".
var errNotConfirmed = errors.New("nothing was done")

// confirm returns nil if the user says yes.
func confirm(ctx context.Context, q questions, question string) error {
	answer, err := q.ask(ctx, question+" (y/n):")
	if err == nil && !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") || errors.Is(err, io.EOF) {
		err = errNotConfirmed
	}
	return err
}

type agentsMenuCmd struct{}

// Run shows the menu, or the list if nobody can answer.
func (agentsMenuCmd) Run(ctx context.Context, at *agentsCmd) error {
	if !interactive() {
		return agentsListCmd{}.Run(ctx, at)
	}
	m := menu{newQuestions(), at}
	place := at.dataDir()
	if at.AWS {
		place = "stack " + at.Stack
	}
	fmt.Printf("Agents of %s. yagura agents --help tells what else there is.\n", printable(place))
	for again := true; again; {
		var err error
		again, err = m.turn(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil { // Ctrl-D, Ctrl-C
			fmt.Println()
			break
		}
		if err != nil {
			warn(err.Error())
		}
	}
	return nil
}

// menu is manage_agents' way to be asked.
type menu struct {
	questions
	at *agentsCmd
}

// turn shows the choices and does what is chosen. It tells whether there is to be another turn.
func (m menu) turn(ctx context.Context) (again bool, err error) {
	choice, err := m.ask(ctx, `
   (A)dd an agent
   (E)xtract the key of an agent
   (L)ist the agents
   (R)emove an agent
   (Q)uit
Your choice, A, E, L, R or Q:`)
	if err != nil {
		return false, err
	}
	switch strings.ToUpper(choice) {
	case "A":
		err = m.add(ctx)
	case "E":
		err = m.withID(ctx, func(id string) error { return agentsExtractKeyCmd{ID: id}.Run(ctx, m.at) })
	case "L":
		err = agentsListCmd{}.Run(ctx, m.at)
	case "R":
		err = m.withID(ctx, func(id string) error { return m.remove(ctx, id) })
	case "Q":
		return false, nil
	case "":
	default:
		err = fmt.Errorf("%q is none of them", choice)
	}
	return true, err
}

func (m menu) add(ctx context.Context) error {
	var c agentsAddCmd
	for _, q := range []struct {
		text string
		into *string
	}{
		{"A name for the agent:", &c.Name},
		{"Its address (192.0.2.10), network (10.0.1.0/24) or any:", &c.Address},
		{"Its id (Enter for the next one):", &c.ID},
	} {
		answer, err := m.ask(ctx, q.text)
		if err != nil {
			return err
		}
		*q.into = answer
	}
	if err := confirm(ctx, m.questions, "Confirm adding it?"); err != nil {
		return err
	}
	return c.Run(ctx, m.at)
}

// withID shows the agents and asks for one.
func (m menu) withID(ctx context.Context, do func(id string) error) error {
	if err := (agentsListCmd{}).Run(ctx, m.at); err != nil {
		return err
	}
	id, err := m.ask(ctx, "The agent's id (Enter to go back):")
	if err != nil || id == "" {
		return err
	}
	return do(id)
}

func (m menu) remove(ctx context.Context, id string) error {
	return agentsRemoveCmd{IDs: []string{id}}.remove(ctx, m.at, func(agents []agent) error {
		return confirmRemoval(ctx, m.questions, agents)
	})
}
