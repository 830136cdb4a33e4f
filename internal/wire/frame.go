package wire

import (
	"encoding/binary"
	"fmt"
	"io"
)

// maxFrame is the most that Wazuh puts in a frame.
const maxFrame = MaxWazuh

// AppendFrame appends a datagram as Wazuh sends it on TCP: 4 bytes of length, the lowest first, and the datagram.
func AppendFrame(dst, datagram []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(datagram))), datagram...)
}

// ReadFrame reads a datagram. It lies in buf if that has room, and in new memory else: give the result as the next call's buf. The error is io.EOF
// where the stream ends between frames. All others wrap ErrTooLarge, ErrFormat, or the reader's: there is no way to go on.
func ReadFrame(r io.Reader, buf []byte) ([]byte, error) {
	if cap(buf) < 4 {
		buf = make([]byte, 2048)
	}
	if _, err := io.ReadFull(r, buf[:4]); err != nil {
		if err == io.EOF {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read a frame's length: %w", err)
	}
	n := binary.LittleEndian.Uint32(buf[:4])
	if n == 0 {
		return nil, fmt.Errorf("read a frame: %w: it is empty", ErrFormat)
	}
	if n > maxFrame {
		return nil, fmt.Errorf("read a frame of %d bytes: %w", n, ErrTooLarge)
	}
	if uint32(cap(buf)) < n {
		buf = make([]byte, n)
	}
	if _, err := io.ReadFull(r, buf[:n]); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read a frame of %d bytes: %w", n, err)
	}
	return buf[:n], nil
}
