// Package local is Yagura inside one process: it takes events from a source, analyses them, and keeps everything in one file.
//
//	agent.db ─► Follow ─┐          ┌─► alerts, memory, positions: one transaction in yagura.db
//	                    ├─► Run ───┼─► alerts/2026/Nov/ossec-alerts-23.log and .json, linked as alerts/alerts.log and .json
//	old logs ─► Replay ─┘ analyse  └─► the terminal
//
// agent.db is the spool of an agent on this machine (agent/agentd). What its readers see is numbered there, in one transaction with how far they
// have come; yagura.db knows up to which number all has been dealt with.
//
// Kill it at any moment: a batch's transaction has happened, or it has not and its events are given again. The files follow the
// transaction and are completed at the next start (see writer). So each line counts once, and each alert stands once everywhere.
//
// yagura.db is a bbolt file, its numbers are big-endian, its values JSON where nothing else is said:
//
//	meta      format, number of the last alert; "fired/local", "fired/replay": how often rules fired in an hour
//	alerts    table alerts of internal/alertstore, as internal/table/bolt keeps it
//	fleet     table fleet of internal/fleet: agents, their keys and hosts; made with the first key
//	sources   "local"                                →  agent, epoch, number of the last event dealt with
//	          "replay/" log                          →  how far it is read
//	memory    "local", "replay" →  key → analysis.Item
//	outputs   "log", "json"     →  waiting: n (8) → at 00 agent: a key of alerts;  files: name → length that is recorded
//
// While it runs, the process that has the file open answers queries on the socket yagura.sock beside it, and changes the fleet for others.
package local
