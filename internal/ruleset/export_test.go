package ruleset

// ParseList and its like are what lists are read by, for their tables.
var (
	ParseList      = func(src string) map[string]string { return parseList(src, splitOSSEC) }
	ParseWazuhList = func(src string) map[string]string { return parseList(src, splitWazuh) }
	ParseCDB       = parseCDB
)
