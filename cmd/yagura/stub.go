package main
type rulesShowCmd struct{}
func (rulesShowCmd) Run() error {return nil}
type importCmd struct{}
func (importCmd) Run() error {return nil}
