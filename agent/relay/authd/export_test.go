package authd

import (
	"io"
	"time"
)

// Asked is what a request asks, and the password it gives.
type Asked struct {
	Password, Name, Address string
	Groups                  []string
}

// Read reads a request.
func Read(r io.Reader) (Asked, error) {
	got, err := readRequest(r)
	return Asked{got.password, got.name, got.address, got.groups}, err
}

// MaxRequest is how long a request may be.
const MaxRequest = maxRequest

// Bound sets how often a source may ask and fail in a minute, and how long a connection and the pause may take.
func (s *Server) Bound(perMinute, failures int, whole, pause time.Duration) {
	s.limit(bounds{perMinute: perMinute, failures: failures, whole: whole, pause: pause, last: whole})
}
