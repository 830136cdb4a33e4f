//go:build unix

package main

func defaultConf() string   { return "/etc/yagura/ossec.conf" }
func defaultState() string  { return "/var/lib/yagura-agent" }
func defaultSocket() string { return "/run/yagura-agent/agent.sock" }
