package syscheck

// Permissions returns nine characters, as ls shows them but for their first; "" for a mode that is not known.
func (r *Record) Permissions() string { return permissions(r.Mode) }

// Kind returns what sort of file it is: file, directory or symbolic link; "" if the mode doesn't tell.
func (r *Record) Kind() string { return kind(r.Mode) }

// Expected returns why the change is no news, a word such as [ByPackage], as the field "expected" has it.
func (c *Change) Expected() string {
	if c.Notes == nil {
		return Unexpected
	}
	return c.expected()
}

// Doubts returns what speaks against the change, as the field "unexpected" has it.
func (c *Change) Doubts() []string {
	if c.Notes == nil {
		return nil
	}
	return c.doubts()
}
