package importer

// ParseKeys is parseKeys, for its table.
var ParseKeys = parseKeys
