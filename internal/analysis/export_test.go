package analysis

// Steps returns how many steps the matches in the log of the last event took.
func Steps(e *Engine) int { return e.text.Steps() }
