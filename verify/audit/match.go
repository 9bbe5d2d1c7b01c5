package audit

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
)

// A search for many texts at once: a file is read once, however many marks are known. Of every fourth
// position six bytes are looked up in a table of bits, and only what may be a mark is compared; so every
// mark has at least window+stride-1 bytes.
const (
	window   = 6
	stride   = 4
	shortest = window + stride - 1
)

// matcher holds the texts, and where in each of them a window begins.
type matcher struct {
	texts  [][]byte
	bits   [1 << 10]uint64
	starts map[uint64][]start
}

type start struct{ text, offset int }

func newMatcher(texts []string) *matcher {
	m := &matcher{starts: map[uint64][]start{}}
	for i, text := range texts {
		m.texts = append(m.texts, []byte(text))
		for offset := range stride {
			v := tail([]byte(text)[offset : offset+window])
			m.starts[v] = append(m.starts[v], start{i, offset})
			h := hash(v)
			m.bits[h>>6] |= 1 << (h & 63)
		}
	}
	return m
}

// hash spreads a window over 16 bits (Knuth's multiplicative method).
func hash(v uint64) uint64 { return v * 0x9e3779b97f4a7c15 >> 48 }

// windowBits moves the two bytes behind a window out of a number of eight.
const windowBits = 64 - 8*window

// tail is the window at the beginning of b, of which there may be no eight bytes.
func tail(b []byte) uint64 {
	var eight [8]byte
	copy(eight[:], b)
	return binary.LittleEndian.Uint64(eight[:]) << windowBits
}

// each calls found for every place of a text.
func (m *matcher) each(data []byte, found func(text, at int)) {
	p := 0
	for rest := data; len(rest) >= 8; rest = rest[stride:] {
		v := binary.LittleEndian.Uint64(rest) << windowBits
		if h := hash(v); m.bits[h>>6]&(1<<(h&63)) != 0 {
			m.compare(v, data, p, found)
		}
		p += stride
	}
	for ; p+window <= len(data); p += stride {
		m.compare(tail(data[p:]), data, p, found)
	}
}

// compare calls found for the texts of which v, at p, is a part.
func (m *matcher) compare(v uint64, data []byte, p int, found func(text, at int)) {
	for _, s := range m.starts[v] {
		if at := p - s.offset; at >= 0 && bytes.HasPrefix(data[at:], m.texts[s.text]) {
			found(s.text, at)
		}
	}
}

// hits are the marks that a file has, and the names of libraries in it with their places.
type hits struct {
	marks  map[string]bool
	names  map[string][]int
	labels int // how often the label of RFC 5246's key expansion was found
}

// all reports whether every mark of a list was found.
func (h hits) all(marks []string) bool {
	for _, m := range marks {
		if !h.marks[bare(m)] {
			return false
		}
	}
	return len(marks) > 0
}

// one reports whether a list of such lists has one that was found.
func (h hits) one(lists [][]string) bool {
	for _, l := range lists {
		if h.all(l) {
			return true
		}
	}
	return false
}

// bare is a mark without the bar that keeps it from standing in this program.
func bare(mark string) string { return strings.Replace(mark, "|", "", 1) }

// everything is the matcher of the table's marks.
var everything = sync.OnceValue(func() *matcher {
	var texts []string
	seen := map[string]bool{}
	add := func(marks ...string) {
		for _, m := range marks {
			if m = bare(m); !seen[m] {
				seen[m] = true
				texts = append(texts, m)
			}
		}
	}
	for _, l := range libraries {
		for _, lists := range [][][]string{l.marks, l.low, l.without, l.not, l.sure} {
			for _, list := range lists {
				add(list...)
			}
		}
	}
	add(loadable...)
	return newMatcher(texts)
})

// scan looks for all marks in a file, or in a part of one.
func scan(data []byte) (h hits) {
	m := everything()
	m.each(data, func(text, at int) {
		if h.marks == nil { // most have none
			h = hits{marks: map[string]bool{}, names: map[string][]int{}}
		}
		mark := string(m.texts[text])
		h.marks[mark] = true
		if mark == bare(keyExpansion) {
			h.labels++
		}
		if isLoadable[mark] && len(h.names[mark]) < 1000 {
			h.names[mark] = append(h.names[mark], at)
		}
	})
	return h
}

// merge adds what another part of the same archive has.
func (h hits) merge(other hits) {
	for m := range other.marks {
		h.marks[m] = true
	}
}
