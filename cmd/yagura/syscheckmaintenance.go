package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/yagura-hids/yagura/internal/baseline"
	"github.com/yagura-hids/yagura/internal/maintenance"
	"github.com/yagura-hids/yagura/internal/table"
)

// maintenanceCmd is what agent_control -M is in OSSEC.
type maintenanceCmd struct {
	Begin      maintenanceBeginCmd      `cmd:"" help:"Begin a window: changes are expected from now on."`
	End        maintenanceEndCmd        `cmd:"" help:"End a window, before its time."`
	List       maintenanceListCmd       `cmd:"" help:"List the windows that are open, scheduled, and lately ended."`
	Schedule   maintenanceScheduleCmd   `cmd:"" help:"Let windows open by themselves, at the same time each week or day."`
	Unschedule maintenanceUnscheduleCmd `cmd:"" help:"Remove a schedule."`
}

// Help adds what the flags don't say.
func (maintenanceCmd) Help() string {
	return `While a window is open, changes of files on its hosts are recorded as ever, with the window's id, and alert at level 3 at most; files of the
watch-list alert in full. What counts is when the host noticed the change, not when the server heard of it. A host that looks for changes
only now and then has to stay in the window until it has looked: --until-scanned.

  yagura syscheck maintenance begin --agent web1 --for 2h --reason "new kernel"
  yagura syscheck maintenance end k7fq
  yagura syscheck maintenance schedule --profile web --days sun,wed --at 02:00 --zone Europe/Zurich --for 2h
  yagura syscheck maintenance list

  agent_control -M enable -u ID    maintenance begin --agent NAME --until-scanned
  agent_control -M status -u ID    maintenance list
  agent_control -M end -u ID       maintenance end --agent NAME, then agents syscheck NAME to let it look now
  agent_control -M disable -u ID   maintenance end --agent NAME, and once more

In a stack on AWS, Systems Manager begins and ends windows by itself when it patches an instance; see the parameter PatchDocuments.`
}

// windows opens the windows that are meant, as fleetFlags.with does.
func (c *syscheckCmd) windows(ctx context.Context, do func(table.Table, *maintenance.Store) error) error {
	return c.with(ctx, func(t table.Table) error { return do(t, maintenance.NewStore(t, maintenance.Options{})) })
}

// scopeFlags say for which hosts a window is.
type scopeFlags struct {
	Agent    string `help:"An agent's id, or the name of a key of many for all hosts under it." placeholder:"NAME" xor:"scope"`
	Profile  string `help:"All agents of a profile; default is that of agents that name none." placeholder:"NAME" xor:"scope"`
	Tag      string `help:"All agents with a label in their configuration." placeholder:"KEY=VALUE" xor:"scope"`
	Instance string `help:"An instance of EC2." placeholder:"ID" xor:"scope"`
	All      bool   `help:"All agents." xor:"scope"`
}

// scope returns the scope that the flags name, false if they name none.
func (f scopeFlags) scope() (maintenance.Scope, bool) {
	for kind, value := range map[string]string{
		maintenance.Agent: f.Agent, maintenance.Profile: f.Profile, maintenance.Tag: f.Tag, maintenance.Instance: f.Instance,
	} {
		if value != "" {
			return maintenance.Scope{Kind: kind, Value: value}, true
		}
	}
	return maintenance.Scope{Kind: maintenance.All}, f.All
}

func (f scopeFlags) needed() (maintenance.Scope, error) {
	scope, ok := f.scope()
	if !ok {
		return scope, &codeError{2, errors.New("say for which hosts: --agent, --profile, --tag, --instance or --all")}
	}
	return scope, nil
}

// wrong makes an error about what may not be stored one of a wrong call.
func wrong(err error) error {
	if errors.Is(err, maintenance.ErrInvalid) {
		return &codeError{2, err}
	}
	return err
}

// whoami is who does it, for others to see: user@host, and under sudo the one who called it.
func whoami() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	return cmp.Or(name, "somebody") + "@" + cmp.Or(host, "somewhere")
}

type maintenanceBeginCmd struct {
	scopeFlags
	For          time.Duration `help:"How long at most (default: ${default})." default:"1h" placeholder:"TIME"`
	UntilScanned bool          `help:"Beyond that it lasts on each host until a check of its files has ended, at most 26 hours."`
	Reason       string        `help:"What is done, for others to see." placeholder:"TEXT"`
	JSON         bool          `short:"j" help:"Show the window as JSON."`
}

// Help adds what the flags don't say.
func (maintenanceBeginCmd) Help() string {
	return `It ends by itself, so that nobody has to remember it.

  yagura syscheck maintenance begin --agent web1 --for 2h --reason "new kernel"
  yagura syscheck maintenance begin --tag role=db --for 30m --until-scanned
  yagura syscheck maintenance begin --all --for 4h`
}

// Run begins a window.
func (c maintenanceBeginCmd) Run(ctx context.Context, at *syscheckCmd) error {
	scope, err := c.needed()
	if err != nil {
		return err
	}
	return at.windows(ctx, func(t table.Table, store *maintenance.Store) error {
		w, err := store.Begin(ctx, maintenance.Window{
			Scope: scope, Until: time.Now().Add(c.For).UTC(), UntilScanned: c.UntilScanned, Reason: c.Reason, By: whoami(),
		})
		if err != nil {
			return wrong(err)
		}
		if c.JSON {
			return jsonTo(os.Stdout)(listWindow(w, time.Now()))
		}
		fmt.Printf("Maintenance window %s is open for %s until %s%s.\n%s\nTo end it earlier: yagura syscheck%s maintenance end %s\n", w.ID, hosts(scope),
			zoned(w.Until), then(w), meaning, at.where(), w.ID)
		return doubt(ctx, t, scope)
	})
}

const meaning = "Changes of files there are recorded, and alert at level 3 at most; those of the watch-list alert in full."

// then says what a window waits for after its end.
func then(w maintenance.Window) string {
	if !w.UntilScanned {
		return ""
	}
	return ", and on each host until a check of its files has ended after that, at most until " + zoned(w.Last())
}

// doubt warns if there is no agent of that name: a window for a mistyped one would be believed to be open.
func doubt(ctx context.Context, t table.Table, scope maintenance.Scope) error {
	if scope.Kind != maintenance.Agent {
		return nil
	}
	known, err := baseline.NewStore(t, baseline.Options{}).Agents(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(known, func(id string) bool { return id == scope.Value || strings.HasPrefix(id, scope.Value+"/") }) {
		warn("no agent " + scope.Value + " has told of its files yet; see that it is the right name")
	}
	return nil
}

// hosts says who is in a scope.
func hosts(s maintenance.Scope) string {
	if s.Kind == maintenance.All {
		return "all agents"
	}
	return printable(s.String())
}

// zoned writes a time for a person, with its zone.
func zoned(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

type maintenanceEndCmd struct {
	IDs []string `arg:"" optional:"" name:"id" help:"Ids of windows." placeholder:"ID"`
	scopeFlags
}

// Help adds what the flags don't say.
func (maintenanceEndCmd) Help() string {
	return `With flags instead of ids: all windows that were begun for just these hosts.

A window that lasts until hosts are scanned does so after its end, too; to end that as well, end it once more.

  yagura syscheck maintenance end k7fq
  yagura syscheck maintenance end --profile web`
}

// Run ends windows.
func (c maintenanceEndCmd) Run(ctx context.Context, at *syscheckCmd) error {
	scope, ok := c.scope()
	if ok == (len(c.IDs) > 0) {
		return &codeError{2, errors.New("say which to end: ids, or one of --agent, --profile, --tag, --instance and --all")}
	}
	return at.windows(ctx, func(t table.Table, store *maintenance.Store) error {
		if ok {
			all, err := maintenance.Load(ctx, t)
			if err != nil {
				return err
			}
			if c.IDs = openFor(all, scope, time.Now()); len(c.IDs) == 0 {
				return fmt.Errorf("no window is open for %s that was begun for just that; yagura syscheck%s maintenance list shows them", hosts(scope), at.where())
			}
		}
		var errs []error
		for _, id := range c.IDs {
			errs = append(errs, endWindow(ctx, store, id, at.where()))
		}
		return errors.Join(errs...)
	})
}

// openFor returns the ids of the windows of a scope that are open at a time or, if none is, of those that wait for scans.
func openFor(all *maintenance.Windows, scope maintenance.Scope, at time.Time) (ids []string) {
	for _, over := range []func(maintenance.Window) time.Time{
		func(w maintenance.Window) time.Time { return w.Until }, func(w maintenance.Window) time.Time { return w.Last() },
	} {
		for _, w := range all.Windows() {
			if w.Scope == scope && at.Before(over(w)) {
				ids = append(ids, w.ID)
			}
		}
		if len(ids) > 0 {
			break
		}
	}
	return ids
}

// endWindow ends a window, and says what that means.
func endWindow(ctx context.Context, store *maintenance.Store, id, where string) error {
	w, err := store.End(ctx, id, whoami())
	switch {
	case errors.Is(err, maintenance.ErrUnknown):
		return fmt.Errorf("no window has the id %s; yagura syscheck%s maintenance list shows them, and unschedule removes a schedule", id, where)
	case err != nil:
		return err
	case w.UntilScanned:
		fmt.Printf("Maintenance window %s has ended; hosts stay in it until a check of their files has ended, at most until %s.\n"+
			"To end that, too: yagura syscheck%s maintenance end %s\n", id, zoned(w.Last()), where, id)
	default:
		fmt.Printf("Maintenance window %s of %s has ended. Changes alert in full again.\n", id, hosts(w.Scope))
	}
	return nil
}
