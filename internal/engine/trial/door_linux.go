package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// door is the trial's end of the socket to whoever dials for it.
type door struct {
	mu   sync.Mutex // one question at a time
	conn *net.UnixConn
}

func newDoor(f *os.File) (*door, error) {
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("opening the door: %w", err)
	}
	return &door{conn: conn.(*net.UnixConn)}, nil
}

// dial asks for a connection to an address outside.
func (d *door) dial(ctx context.Context, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	deadline, _ := ctx.Deadline()
	d.conn.SetDeadline(deadline)
	if _, err := d.conn.Write([]byte(addr)); err != nil {
		return nil, err
	}
	text, rights := make([]byte, maxAddress), make([]byte, unix.CmsgSpace(4))
	n, oob, _, _, err := d.conn.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	if oob == 0 {
		return nil, errors.New(string(text[:n]))
	}
	messages, err := unix.ParseSocketControlMessage(rights[:oob])
	if err != nil || len(messages) != 1 {
		return nil, errors.Join(errors.New("dialling: malformed answer"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, errors.Join(errors.New("dialling: malformed answer"), err)
	}
	f := os.NewFile(uintptr(fds[0]), addr)
	defer f.Close()
	return net.FileConn(f)
}

// writer writes messages of several goroutines.
type writer struct {
	mu sync.Mutex
	to *json.Encoder
}

func newWriter(w io.Writer) *writer { return &writer{to: json.NewEncoder(w)} }

func (w *writer) say(m message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.to.Encode(m)
}
