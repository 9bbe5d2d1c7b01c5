package archive

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// header is the beginning of an xz stream whose first block has an LZMA2 filter with the dictionary bits b.
func header(b byte, sizes ...byte) []byte {
	head := []byte{0xfd, '7', 'z', 'X', 'Z', 0, 0, 1, 0, 0, 0, 0, 3}
	switch len(sizes) {
	case 0:
		head = append(head, 0)
	default:
		head = append(append(head, 0xc0), sizes...)
	}
	return append(head, 0x21, 1, b, 0, 0, 0, 0, 0, 0, 0, 0)
}

func TestDictionary(t *testing.T) {
	for _, c := range []struct {
		head []byte
		want int64
	}{
		{header(0), 4 << 10},
		{header(22), 8 << 20},
		{header(28), 64 << 20},
		{header(29), 96 << 20},
		{header(40), 1<<32 - 1},
		{header(28, 0x80, 0x01, 0xff, 0x7f), 64 << 20}, // with both sizes before it
		{header(28)[:14], 0},
		{nil, 0},
	} {
		if got := dictionary(c.head); got != c.want {
			t.Errorf("% x: %d, want %d", c.head, got, c.want)
		}
	}
	err := Unpack(context.Background(), bytes.NewReader(header(40)), filepath.Join(t.TempDir(), "x"), Options{})
	if err == nil || !strings.Contains(err.Error(), "dictionary") {
		t.Errorf("a stream that asks for 4 GiB: %v", err)
	}
}
