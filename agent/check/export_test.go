package check

import "github.com/yagura-hids/yagura/agent/config"

// Unit returns what is said of a service with these properties, as systemctl shows them.
func Unit(conf *config.Config, shown string) []Result {
	c := &checker{conf: conf}
	c.unit(properties(shown))
	return c.results
}
