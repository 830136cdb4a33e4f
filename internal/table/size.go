package table

// Size returns how many bytes an item takes, as DynamoDB counts: names and values.
func Size(item Fields) int {
	n := 0
	for name, value := range item {
		n += len(name)
		switch v := value.(type) {
		case string:
			n += len(v)
		case []byte:
			n += len(v)
		case int64:
			n += 21 // at most
		case bool:
			n++
		}
	}
	return n
}
