package handler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/yagura-hids/yagura/internal/maintenance"
)

// Maintenance notes what EventBridge tells of runs of AWS Systems Manager that patch instances.
//
//	EC2 Command Status-change Notification               ─► what a command does, by its parameter Operation: look, or install
//	EC2 Command Invocation Status-change Notification    ─► it begins and ends on an instance
//	EC2 State Manager Instance Association State Change  ─► the same of an association
//
// Which documents patch, the rule of EventBridge says. The events of SSM's maintenance windows name no instances: what these windows run on which,
// the commands' own events tell. Events come in any order and more than once, and the signs that they make may, too.
type Maintenance struct {
	Note func(ctx context.Context, s maintenance.Sign) error
	Log  *slog.Logger
}

// MaintenanceEnv is what the function is told by its environment.
type MaintenanceEnv struct {
	FleetTable string // FLEET_TABLE
}

// TableName returns the real name of a table.
func (m MaintenanceEnv) TableName(string) string { return m.FleetTable }

// ReadMaintenanceEnv reads the environment with getenv. The error names everything wrong with it.
func ReadMaintenanceEnv(getenv func(string) string) (MaintenanceEnv, error) {
	e := env{getenv: getenv}
	m := MaintenanceEnv{FleetTable: e.needed("FLEET_TABLE")}
	return m, errors.Join(e.faults...)
}

// Handle notes what an event tells. If that can't be stored, it returns the cause, and Lambda comes again with the event. What makes no sense won't
// by trying again: it's logged, and left.
func (h *Maintenance) Handle(ctx context.Context, in events.EventBridgeEvent) error {
	ctx, cancel := withMargin(ctx)
	defer cancel()
	sign, err := readSSM(&in)
	if err == nil && sign.What != "" {
		err = h.Note(ctx, sign)
	}
	attrs := []any{"event", in.ID, "type", in.DetailType, "run", sign.Run, "instance", sign.Instance, "document", sign.Document, "sign", sign.What}
	switch {
	case errors.Is(err, errNoSSM) || errors.Is(err, maintenance.ErrInvalid):
		h.Log.Error("event is left", append(attrs, "cause", err.Error())...)
	case err != nil:
		h.Log.Error("not noted; the event comes again", append(attrs, "cause", err.Error())...)
		return err
	default:
		h.Log.Info("noted", attrs...)
	}
	return nil
}

// errNoSSM is wrapped by errors about events that tell nothing of a run.
var errNoSSM = errors.New("not an event of a run")

// ssmDetail is what the details of the three kinds of events say.
type ssmDetail struct {
	Command     string          `json:"command-id"`
	Association string          `json:"association-id"`
	Instance    string          `json:"instance-id"`
	Document    string          `json:"document-name"`
	Requested   string          `json:"requested-date-time"`
	Status      string          `json:"status"`
	Parameters  json.RawMessage `json:"parameters"`
}

// readSSM returns what an event tells, a sign without What if that is nothing yet.
func readSSM(in *events.EventBridgeEvent) (maintenance.Sign, error) {
	var d ssmDetail
	if err := json.Unmarshal(in.Detail, &d); err != nil {
		return maintenance.Sign{}, fmt.Errorf("read detail: %w: %w", errNoSSM, err)
	}
	s := maintenance.Sign{Run: d.Command, Instance: d.Instance, What: phase(d.Status), Time: in.Time, Document: d.Document, By: "SSM Run Command"}
	switch in.DetailType {
	case "EC2 Command Status-change Notification":
		s.Instance, s.What = "", operation(d.Parameters)
		if at, err := time.Parse(time.RFC3339, d.Requested); err == nil {
			s.Time = at // the same in all events of the command, so that they all write one item
		}
	case "EC2 Command Invocation Status-change Notification":
	case "EC2 State Manager Instance Association State Change":
		s.Run, s.By = d.Association, "SSM State Manager"
	default:
		return s, fmt.Errorf("%q is %w", in.DetailType, errNoSSM)
	}
	return s, nil
}

// phase returns what a status says of a run on an instance. One that isn't known is taken for an end: a window that is shut hides nothing.
func phase(status string) string {
	switch status {
	case "InProgress":
		return maintenance.Begin
	case "Pending", "Delayed", "Cancelling":
		return ""
	}
	return maintenance.End
}

// operation returns what a command does by its parameters: "" if they can't be understood. A document without this parameter does what it does.
func operation(parameters json.RawMessage) string {
	var p map[string]json.RawMessage
	if err := json.Unmarshal(parameters, &p); err != nil {
		return ""
	}
	given, ok := p["Operation"]
	if !ok {
		return maintenance.Install
	}
	var values []string
	if err := json.Unmarshal(given, &values); err != nil || len(values) != 1 {
		return ""
	}
	what := strings.ToLower(values[0])
	if !slices.Contains([]string{maintenance.Scan, maintenance.Install}, what) {
		return ""
	}
	return what
}
