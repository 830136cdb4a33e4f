package legacy

// Limit sets how much is known of an agent at most.
func (k *Known) Limit(files, findings, hosts int) { k.most = limits{files, findings, hosts} }

// Unstored returns how many changes are held in memory.
func (k *Known) Unstored() int {
	for range k.layers {
		break
	}
	return len(k.unstored)
}

// Sum returns what is known of a file, "" if nothing is.
func (k *Known) Sum(agent, path string) (string, error) {
	sum, _, err := k.get(place{agent, files}, path)
	return sum, err
}
