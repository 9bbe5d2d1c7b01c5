package audit

import (
	"bytes"
	"encoding/binary"
	"strings"
	"sync"
)

// A search for many texts at once: a file is read once, however many marks are known. Of every second
// position eight bytes are looked up
// in a table of bits, and only what may be a mark is compared; so every mark has at least window+stride-1
// bytes.
const (
	window   = 8
	stride   = 2
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
			v := binary.LittleEndian.Uint64([]byte(text)[offset:])
			m.starts[v] = append(m.starts[v], start{i, offset})
			h := hash(v)
			m.bits[h>>6] |= 1 << (h & 63)
		}
	}
	return m
}

// hash spreads eight bytes over 16 bits (Knuth's multiplicative method).
func hash(v uint64) uint64 { return v * 0x9e3779b97f4a7c15 >> 48 }

// each calls found for every place of a text.
func (m *matcher) each(data []byte, found func(text, at int)) {
	for p := 0; p+window <= len(data); p += stride {
		v := binary.LittleEndian.Uint64(data[p:])
		h := hash(v)
		if m.bits[h>>6]&(1<<(h&63)) == 0 {
			continue
		}
		for _, s := range m.starts[v] {
			if at := p - s.offset; at >= 0 && bytes.HasPrefix(data[at:], m.texts[s.text]) {
				found(s.text, at)
			}
		}
	}
}

// hits are the marks that a file has, and the names of libraries in it with their places.
type hits struct {
	marks map[string]bool
	names map[string][]int
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
		for _, lists := range [][][]string{l.marks, l.low, l.without, l.not} {
			for _, list := range lists {
				add(list...)
			}
		}
	}
	add(loadable...)
	return newMatcher(texts)
})

// scan looks for all marks in a file, or in a part of one.
func scan(data []byte) hits {
	h := hits{marks: map[string]bool{}, names: map[string][]int{}}
	m := everything()
	m.each(data, func(text, at int) {
		mark := string(m.texts[text])
		h.marks[mark] = true
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
