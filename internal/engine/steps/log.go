package steps

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

// logFile is a step's log: everything goes to the file, its newest line to the sink a few times a second.
type logFile struct {
	step string
	sink event.Sink

	mu   sync.Mutex
	f    *os.File
	line []byte // the unfinished last line, its beginning
	sent time.Time
}

// between two log lines that are shown.
const between = 100 * time.Millisecond

func newLog(path, step string, sink event.Sink) (*logFile, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	return &logFile{step: step, sink: sink, f: f}, nil
}

func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.f.Write(b)
	rest := b[:n]
	if i := bytes.LastIndexByte(rest, '\n'); i >= 0 {
		whole := rest[:i]
		if k := bytes.LastIndexByte(whole, '\n'); k >= 0 {
			l.line, whole = l.line[:0], whole[k+1:]
		}
		l.add(whole)
		if now := time.Now(); now.Sub(l.sent) >= between {
			l.sent = now
			l.sink.Emit(event.Event{Kind: event.Log, Step: l.step, Text: string(l.line)})
		}
		l.line, rest = l.line[:0], rest[i+1:]
	}
	l.add(rest)
	return n, err
}

// add makes the unfinished line longer, to a bound: a step may write no line's end at all.
func (l *logFile) add(b []byte) {
	const longest = 64 << 10 // bytes
	l.line = append(l.line, b[:min(len(b), longest-len(l.line))]...)
}

func (l *logFile) Close() error { return l.f.Close() }

// store puts what was written into the store. The file is not opened again: its name may have become
// something else's.
func (l *logFile) store(s *store.Store) (digest.Digest, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := l.f.Stat()
	if err != nil {
		return digest.Digest{}, err
	}
	d, _, err := s.PutFrom(io.NewSectionReader(l.f, 0, info.Size()))
	return d, err
}

// tail returns the last n lines of the log.
func (l *logFile) tail(n int) string {
	const window = 16 << 10 // bytes: 20 lines of a compiler fit
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := l.f.Stat()
	if err != nil {
		return ""
	}
	b := make([]byte, min(window, info.Size()))
	if _, err := l.f.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
