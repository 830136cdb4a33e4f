package rootcheck

import "golang.org/x/sys/unix"

// closeOnExec makes a socket one that no child inherits.
const closeOnExec = unix.SOCK_CLOEXEC
