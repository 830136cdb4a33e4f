package handler

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// AnalyzeEnv is what analyze is told by its environment.
type AnalyzeEnv struct {
	AlertsTable    string        // ALERTS_TABLE
	StateTable     string        // STATE_TABLE
	FleetTable     string        // FLEET_TABLE
	FailureBucket  string        // FAILURE_BUCKET, where records are set aside
	ResendDocument string        // RESEND_DOCUMENT, by which SSM has agents tell their files again
	AlertLevel     int           // ALERT_LEVEL: alerts are stored from this level on; 1 unless given
	MailLevel      int           // MAIL_LEVEL: and marked for messages from this one on; 7 unless given
	Keep           time.Duration // KEEP_DAYS: how long alerts, and the history of files, are kept; 365 days unless given, 0 for ever
	Rules          string        // rules in LAMBDA_TASK_ROOT, if that folder is there; else "", the built-in ruleset
}

// TableName returns the real name of a table.
func (a AnalyzeEnv) TableName(schema string) string {
	return map[string]string{"alerts": a.AlertsTable, "state": a.StateTable, "fleet": a.FleetTable}[schema]
}

// ReadAnalyzeEnv reads the environment with getenv. The error names everything wrong with it.
func ReadAnalyzeEnv(getenv func(string) string) (AnalyzeEnv, error) {
	e := env{getenv: getenv}
	a := AnalyzeEnv{
		AlertsTable: e.needed("ALERTS_TABLE"), StateTable: e.needed("STATE_TABLE"), FleetTable: e.needed("FLEET_TABLE"),
		FailureBucket: e.needed("FAILURE_BUCKET"), ResendDocument: e.needed("RESEND_DOCUMENT"),
		AlertLevel: e.number("ALERT_LEVEL", 1, 16), MailLevel: e.number("MAIL_LEVEL", 7, 16),
		Keep: 24 * time.Hour * time.Duration(e.number("KEEP_DAYS", 365, 36500)),
	}
	if root := getenv("LAMBDA_TASK_ROOT"); root != "" {
		dir := filepath.Join(root, "rules")
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			a.Rules = dir
		}
	}
	return a, errors.Join(e.faults...)
}

// env collects faults of environment variables.
type env struct {
	getenv func(string) string
	faults []error
}

func (e *env) needed(name string) string {
	value := e.getenv(name)
	if value == "" {
		e.faults = append(e.faults, fmt.Errorf("%s is unset; template.yaml sets it", name))
	}
	return value
}

func (e *env) number(name string, or, most int) int {
	text := e.getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		e.faults = append(e.faults, fmt.Errorf("%s is %q, want 0..%d", name, text, most))
	}
	return n
}
