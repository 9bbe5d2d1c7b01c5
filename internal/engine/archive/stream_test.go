package archive

import "testing"

// blockHeader is that of a block whose LZMA2 filter asks for a dictionary of the bits b.
func blockHeader(b byte, sizes ...byte) []byte {
	head := []byte{3, 0}
	if len(sizes) > 0 {
		head = append([]byte{3, 0xc0}, sizes...)
	}
	return append(head, 0x21, 1, b, 0, 0, 0, 0, 0, 0, 0, 0)
}

func TestDictionary(t *testing.T) {
	for _, c := range []struct {
		head []byte
		want int64
	}{
		{blockHeader(0), 4 << 10},
		{blockHeader(22), 8 << 20},
		{blockHeader(28), 64 << 20},
		{blockHeader(29), 96 << 20},
		{blockHeader(40), 1<<32 - 1},
		{blockHeader(28, 0x80, 0x01, 0xff, 0x7f), 64 << 20}, // with both sizes before it
		{blockHeader(41), -1},
		{blockHeader(63), -1},
		{blockHeader(28)[:2], -1},
		{append([]byte{3, 1}, blockHeader(28)[2:]...), -1}, // two filters
		{append([]byte{3, 4}, blockHeader(28)[2:]...), -1}, // a bit without a meaning
		{nil, -1},
	} {
		if got, ok := dictionary(c.head); ok != (c.want >= 0) || ok && got != c.want {
			t.Errorf("% x: %d, %v, want %d", c.head, got, ok, c.want)
		}
	}
}
