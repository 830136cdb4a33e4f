package syscheck

// Permissions returns nine characters, as ls shows them but for their first; "" for a mode that is not known.
func (r *Record) Permissions() string { return permissions(r.Mode) }

// Kind returns what sort of file it is: file, directory or symbolic link; "" if the mode doesn't tell.
func (r *Record) Kind() string { return kind(r.Mode) }
