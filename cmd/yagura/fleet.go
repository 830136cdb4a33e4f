package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/yagura-hids/yagura/internal/local"
	"github.com/yagura-hids/yagura/internal/table"
)

// fleetFlags say where the table of the fleet is: in a data directory, or in a stack on AWS.
type fleetFlags struct {
	Data string `help:"The data folder of yagura local (default: ${data})." type:"path" placeholder:"DIR" xor:"where"`
	stackFlags
	stack *stack // once it is open
}

// dataDir is the data folder that is meant.
func (f *fleetFlags) dataDir() string { // a default that kong knows would stand against --aws
	return cmp.Or(f.Data, defaultData())
}

// with opens the table of the fleet that is meant, as long as do works on it. That is to be short: meanwhile no yagura local can start there.
func (f *fleetFlags) with(ctx context.Context, do func(table.Table) error) (err error) {
	if f.AWS {
		if f.stack == nil {
			if f.stack, err = f.open(ctx); err != nil {
				return err
			}
		}
		return do(f.stack)
	}
	tables, done, err := local.Fleet(ctx, f.dataDir())
	if err != nil {
		return err
	}
	return errors.Join(do(tables), done())
}

// where are the flags to add to a command that is to work on the same fleet.
func (f *fleetFlags) where() string {
	switch {
	case f.AWS && f.Stack != "yagura":
		return " --aws --stack " + shellWord(f.Stack)
	case f.AWS:
		return " --aws"
	case f.dataDir() != defaultData():
		return " --data " + shellWord(f.Data)
	}
	return ""
}
