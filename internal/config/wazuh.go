package config

import (
	"slices"
	"strings"

	"github.com/yagura-hids/yagura/internal/osxml"
)

// sections are those of OSSEC and Wazuh that belong to parts which are not here.
var sections = words(`relay remote command active-response email_alerts syslog_output reports database_output agentless
	fim_maintenance
	client_buffer anti_tampering integration wodle logging cluster socket sca vulnerability-detection vulnerability-detector indexer
	gcp-pubsub gcp-bucket rule_test agent-upgrade task-manager wdb fluent-forward auth agent-key-polling github office365 ms-graph`)

// globals are the global settings that have no effect here, OSSEC's and Wazuh's.
var globals = words(`email_notification email_to email_from email_reply_to email_idsname email_maxperhour smtp_server white_list allow_list
	logall logall_json custom_alert_output prelude_output prelude_profile prelude_log_level zeromq_output zeromq_uri zeromq_server_cert
	zeromq_client_cert geoipdb geoip_db_path geoip6_db_path integrity_checking rootkit_detection host_information md5_allowlist
	compress_alerts picviz_output picviz_socket
	alerts_log rotate_interval max_output_size agents_disconnection_time agents_disconnection_alert_time limits cti-url update_check
	helo_server email_log_source queue_size forward_to`)

func words(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

// ruleset reads Wazuh's section, which names a ruleset as OSSEC's <rules> does and says that it is in Wazuh's dialect.
func (r *reader) ruleset(e *osxml.Element) {
	rules := &r.config.Rules
	rules.Wazuh = true
	for _, child := range e.Children {
		in := Include{Path: strings.TrimSpace(child.Content), Pos: child.Pos}
		switch name := strings.ToLower(child.Name); name {
		case "rule_include":
			rules.Includes = append(rules.Includes, in.below("ruleset/rules/"))
		case "decoder_include":
			rules.Decoders = append(rules.Decoders, in.below("ruleset/decoders/"))
		case "rule_dir":
			rules.Includes = append(rules.Includes, in.directory(child))
		case "decoder_dir":
			rules.Decoders = append(rules.Decoders, in.directory(child))
		case "rule_exclude":
			rules.ExcludeRules = append(rules.ExcludeRules, in.Path)
		case "decoder_exclude":
			rules.ExcludeDecoders = append(rules.ExcludeDecoders, in.Path)
		case "list":
			rules.Lists = append(rules.Lists, in.Path)
		default:
			r.faults.Add(child.Pos, "known are rule_dir, rule_include, rule_exclude, decoder_dir, decoder_include, decoder_exclude, list",
				"ruleset: unknown element <%s>", child.Name)
			continue
		}
		if in.Path == "" {
			r.faults.Add(child.Pos, "name a file", "<%s> is empty", child.Name)
		}
	}
}

// below puts a name without a folder into dir.
func (in Include) below(dir string) Include {
	if !strings.Contains(in.Path, "/") {
		in.Path = dir + in.Path
	}
	return in
}

// directory makes the include one of all files there that e's pattern chooses.
func (in Include) directory(e *osxml.Element) Include {
	in.Dir, in.Pattern = true, ".xml$"
	if p, ok := e.Attr("pattern"); ok {
		in.Pattern = p
	}
	return in
}

// complete adds the directories that Wazuh reads where a <ruleset> names none.
func (rules *Rules) complete() {
	if !rules.Wazuh {
		return
	}
	for _, kind := range []struct {
		list *[]Include
		dir  string
	}{{&rules.Decoders, "ruleset/decoders"}, {&rules.Includes, "ruleset/rules"}} {
		if !slices.ContainsFunc(*kind.list, func(in Include) bool { return in.Dir }) {
			*kind.list = append(*kind.list, Include{Path: kind.dir, Dir: true, Pattern: ".xml$"})
		}
	}
}
