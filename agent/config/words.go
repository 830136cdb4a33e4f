package config

import "strings"

// sections are those of OSSEC and Wazuh that belong to the server, or to parts which are not here.
var sections = words(`relay global rules ruleset alerts remote command active-response email_alerts syslog_output reports database_output agentless
	fim_maintenance
	client_buffer anti_tampering integration wodle logging cluster socket sca vulnerability-detection vulnerability-detector indexer
	gcp-pubsub gcp-bucket rule_test agent-upgrade task-manager wdb fluent-forward auth agent-key-polling github office365 ms-graph`)

// connecting are the words of <client> about a server, OSSEC's and Wazuh's.
var connecting = words(`server-ip server-hostname port protocol time-reconnect disable-active-response crypto_method local_ip
	server enrollment auto_restart force_reconnect_interval ip_update_interval`)

// choosing are elements of Wazuh's localfile that choose or change lines, and OSSEC's check_diff, which is a rule's. Lines are read as they are.
var choosing = words(`max-size label target out_format reconnect_time age exclude ignore_binaries ignore restrict multiline_regex filter check_diff`)

// integrity are elements of Wazuh's syscheck about what is decided otherwise here.
var integrity = words(`skip_dev skip_proc skip_sys process_priority max_eps sync_enabled synchronization whodata database diff file_limit
	registry_limit max_files_per_second windows_audit_interval remove_old_diff restart_audit audit_key allow_prefilter_cmd registry_nodiff
	allow_remote_prefilter_cmd`)

// traces are elements of rootcheck that have no effect here, Wazuh's and those of long ago.
var traces = words(`notify workdir unixaudit check_policy check_sysscan max_eps`)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}
