//go:build unix && !linux

package rootcheck

// closeOnExec is no part of a socket's type everywhere. Ports are given back before a child can begin to use them.
const closeOnExec = 0
