package uplink

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/yagura-hids/yagura/internal/codec"
)

// File returns the uplink that makes a file of each batch: DIR/EPOCH-FIRSTSEQ.ygr, the epoch as 16 hexadecimal digits, the number as 20
// decimal ones, so that an epoch's files stand in their order. A file is there whole or not at all; the same events sent again replace it.
func File(dir string, o Options) *Uplink { return open(folder(dir), o) }

type folder string

func (d folder) String() string { return "folder " + string(d) }

func (d folder) prepare(data []byte) (func(ctx context.Context) error, error) {
	b, err := codec.Decode(data)
	if err != nil {
		return nil, failure{error: err, hint: ourHint}
	}
	name := fmt.Sprintf("%016x-%020d.ygr", b.Epoch, b.Events[0].ID.Seq)
	return func(context.Context) error { return d.fails(d.write(name, data)) }, nil
}

func (d folder) probe(context.Context) error {
	f, err := d.create(".check.ygr")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	return d.fails(err)
}

// write puts a file in its place once it is on the disk. One that was cut off in the middle is written anew when the batch is sent again.
func (d folder) write(name string, data []byte) error {
	f, err := d.create("." + name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(string(d), name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(string(d))
}

func (d folder) create(name string) (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(string(d), name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// fails tells what a file's error means: a full disk may have room again, a folder that may not be written to wants a person.
func (d folder) fails(err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.ENOTDIR) {
		return failure{error: err, hint: "let this program's user make files in " + string(d)}
	}
	return err
}
