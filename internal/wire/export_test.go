package wire

// Inflate unpacks a stream of zlib, as Open does.
func (s *Scratch) Inflate(dst, src []byte) (int, error) { return s.inflater.zlib(dst, src) }
