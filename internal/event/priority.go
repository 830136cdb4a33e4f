package event

// MaxPriority is the highest Event.Priority: facility 23, severity 7.
const MaxPriority = 23*8 + 7 + 1

// SyslogFields are the names of the dynamic fields in which an event's facility and severity are told.
var SyslogFields = [2]string{"facility", "severity"}

var (
	facilities = [...]string{
		"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
		"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
	}
	severities = [...]string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}
)

// Syslog returns the names of the event's facility and severity, as syslog.conf has them; false if it has no priority.
func (e *Event) Syslog() (facility, severity string, ok bool) {
	if e.Priority < 1 || e.Priority > MaxPriority {
		return "", "", false
	}
	p := e.Priority - 1
	return facilities[p/8], severities[p%8], true
}
