package ruleset

// ParseList is parseList, for its table.
var ParseList = parseList
