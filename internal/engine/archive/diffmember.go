package archive

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// container is an archive's list of members, or an ELF file's of sections. Members are read only when asked
// for, so that a long list takes little memory.
type container struct {
	names []string
	what  string // its members, in the plural
	title func(name string) string
	read  func(i int) (member, error)
	rank  func(i int) int // 0, 1 or 2: a likely cause first, what only follows from other differences last; nil is 0
}

// member is one member of an archive.
type member struct {
	fields  digest.Lines
	raw     content                                           // its contents as they are stored, nil where it has none
	unpack  func() (content, func(), error)                   // its contents where they are stored packed
	explain func(f findings, a, b member, offset int64) error // instead of comparer.explain
	names   content                                           // what a symbol table's names are in
}

// maxNames bounds the bytes of all names of one container.
const maxNames = 16 << 20

var errMembers = errors.New("more members than the limit, or their names are too long")

// pair finds the members that both have, by name and, of equal names, by their order.
func pair(a, b []string) (both [][2]int, onlyA, onlyB []int) {
	keys := func(names []string) func(i int) string {
		seen := make(map[string]int, len(names))
		return func(i int) string {
			seen[names[i]]++
			if n := seen[names[i]]; n > 1 {
				return names[i] + "\x00" + strconv.Itoa(n)
			}
			return names[i]
		}
	}
	at := make(map[string]int, len(b))
	key := keys(b)
	for j := range b {
		at[key(j)] = j
	}
	found := make([]bool, len(b))
	key = keys(a)
	for i := range a {
		if j, ok := at[key(i)]; ok && !found[j] {
			found[j] = true
			both = append(both, [2]int{i, j})
		} else {
			onlyA = append(onlyA, i)
		}
	}
	for j := range b {
		if !found[j] {
			onlyB = append(onlyB, j)
		}
	}
	return both, onlyA, onlyB
}

// members compares two containers: which members they have, in which order, and each that both have.
func (c *comparer) members(ctx context.Context, f findings, a, b container) error {
	both, onlyA, onlyB := pair(a.names, b.names)
	for _, i := range onlyA {
		f.member(a.names[i], a.title(a.names[i])).add("only in the first", -1, "", "")
	}
	for _, j := range onlyB {
		f.member(b.names[j], b.title(b.names[j])).add("only in the second", -1, "", "")
	}
	order(f, a, b, both)
	for rank := range 3 {
		for _, p := range both {
			if f.full() {
				return nil
			}
			if a.rank != nil && a.rank(p[0]) != rank || a.rank == nil && rank > 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			ma, err := a.read(p[0])
			if err != nil {
				return err
			}
			mb, err := b.read(p[1])
			if err != nil {
				return err
			}
			name := a.names[p[0]]
			if err := c.member(ctx, f.member(name, a.title(name)), ma, mb); err != nil {
				return err
			}
		}
	}
	return nil
}

// order adds the first place at which the members that both have stand in another order.
func order(f findings, a, b container, both [][2]int) {
	inB := make([]int, len(both))
	for k, p := range both {
		inB[k] = p[1]
	}
	slices.Sort(inB)
	place := func(names []string, i int) string { return plain(names[i]) + " at place " + strconv.Itoa(i+1) }
	for k, p := range both {
		if p[1] != inB[k] {
			f.add("order of "+a.what, -1, place(a.names, p[0]), place(b.names, inB[k]))
			return
		}
	}
}

func (c *comparer) member(ctx context.Context, f findings, a, b member) error {
	f.fields("", a.fields, b.fields)
	if a.raw == nil || b.raw == nil {
		return nil // that they differ in this, their fields say
	}
	at, err := c.differ(ctx, a.raw, b.raw)
	if err != nil || at < 0 {
		return err // stored alike in two ways, the fields have said so
	}
	switch {
	case a.unpack != nil && b.unpack != nil:
		return c.packedMember(ctx, f, a, b, at)
	case a.explain != nil:
		return a.explain(f, a, b, at)
	}
	return c.explain(ctx, f, a.raw, b.raw, at)
}
