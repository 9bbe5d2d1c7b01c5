package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

const (
	arMagic   = "!<arch>\n"
	thinMagic = "!<thin>\n"
	arHeader  = 60
	arLong    = 8 << 20 // most bytes of a table of long names
)

// arFile is the list of an ar archive's members, GNU's, BSD's or thin (ar(5), the System V ABI's and GNU
// binutils' format).
type arFile struct {
	c      content
	thin   bool
	long   []byte // GNU's table of long names
	names  []string
	starts []int64
}

// arEntry is one header.
type arEntry struct {
	name string
	raw  [arHeader]byte
	data content // nil in a thin archive
	next int64
}

func (c *comparer) ar(ctx context.Context, f findings, a, b content) error {
	headA, _ := readPart(a, 0, int64(len(arMagic)))
	headB, _ := readPart(b, 0, int64(len(arMagic)))
	if !bytes.Equal(headA, headB) {
		f.add("ar kind", -1, plain(strings.TrimSpace(string(headA))), plain(strings.TrimSpace(string(headB))))
	}
	la, err := listAr(ctx, a, c.limits)
	if err != nil {
		return err
	}
	lb, err := listAr(ctx, b, c.limits)
	if err != nil {
		return err
	}
	return c.members(ctx, f, la.container(), lb.container())
}

func listAr(ctx context.Context, c content, l Limits) (*arFile, error) {
	magic, err := readPart(c, 0, int64(len(arMagic)))
	if err != nil {
		return nil, err
	}
	r := &arFile{c: c, thin: string(magic) == thinMagic}
	total := 0
	for at := int64(len(arMagic)); at < c.Size(); {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		e, err := r.entry(at)
		if err != nil {
			return nil, fmt.Errorf("member %d: %w", len(r.names)+1, err)
		}
		if e.name == "//" && r.long == nil {
			if r.long, err = readPart(e.data, 0, arLong); err != nil {
				return nil, err
			}
		}
		total += len(e.name)
		if len(r.names) >= l.Entries || total > maxNames {
			return nil, errMembers
		}
		r.names, r.starts = append(r.names, e.name), append(r.starts, at)
		at = e.next
	}
	return r, nil
}

// entry reads the header at an offset.
func (r *arFile) entry(at int64) (e arEntry, err error) {
	b, err := readPart(r.c, at, arHeader)
	if err != nil {
		return e, err
	}
	if len(b) < arHeader || string(b[58:]) != "`\n" {
		return e, errors.New("no ar header")
	}
	copy(e.raw[:], b)
	size, err := strconv.ParseInt(strings.TrimSpace(string(b[48:58])), 10, 64)
	if err != nil || size < 0 {
		return e, fmt.Errorf("size %q", b[48:58])
	}
	field := strings.TrimRight(string(b[:16]), " ")
	e.next = at + arHeader
	if !r.thin || arSpecial(field) {
		if e.data, err = part(r.c, at+arHeader, size); err != nil {
			return e, err
		}
		e.next += size + size&1
	}
	return e, r.name(&e, field)
}

// name finds a member's whole name, which may stand in the table of long names or before the contents.
func (r *arFile) name(e *arEntry, field string) error {
	switch {
	case arSpecial(field):
		e.name = field
	case strings.HasPrefix(field, "/"):
		at, err := strconv.Atoi(field[1:])
		if err != nil || at < 0 || at >= len(r.long) {
			return fmt.Errorf("long name %q", field)
		}
		name, _, _ := bytes.Cut(r.long[at:], []byte("\n"))
		e.name = strings.TrimSuffix(string(name), "/")
	case strings.HasPrefix(field, "#1/") && e.data != nil:
		n, err := strconv.ParseInt(field[3:], 10, 64)
		if err != nil || n < 0 || n > 4096 || n > e.data.Size() {
			return fmt.Errorf("long name %q", field)
		}
		name, err := readPart(e.data, 0, n)
		if err != nil {
			return err
		}
		e.name = strings.TrimRight(string(name), "\x00")
		e.data, err = part(e.data, n, e.data.Size()-n)
		return err
	default:
		e.name = strings.TrimSuffix(field, "/")
	}
	return nil
}

// arSpecial tells the members that hold the archive's own tables.
func arSpecial(name string) bool { return name == "/" || name == "//" || name == "/SYM64/" }

func arIndex(name string) bool {
	return name == "/" || name == "/SYM64/" || strings.HasPrefix(name, "__.SYMDEF")
}

func (r *arFile) container() container {
	return container{
		names: r.names,
		what:  "members",
		title: func(name string) string {
			switch {
			case arIndex(name):
				return "ar symbol index"
			case name == "//":
				return "ar long names"
			}
			return "ar member " + plain(name)
		},
		rank: func(i int) int {
			if arIndex(r.names[i]) || r.names[i] == "//" {
				return 2
			}
			return 0
		},
		read: r.member,
	}
}

func (r *arFile) member(i int) (member, error) {
	e, err := r.entry(r.starts[i])
	if err != nil {
		return member{}, err
	}
	field := func(from, to int) string { return strings.TrimRight(string(e.raw[from:to]), " ") }
	var l digest.Lines
	l.Add("time", seconds(field(16, 28)))
	l.Add("uid", field(28, 34))
	l.Add("gid", field(34, 40))
	l.Add("mode", field(40, 48))
	l.Add("size", field(48, 58))
	m := member{fields: l, raw: e.data}
	if arSpecial(e.name) || arIndex(e.name) {
		m.explain = func(f findings, a, b member, at int64) error {
			f.bytes("", a.raw, b.raw, at)
			return nil
		}
	}
	return m, nil
}

// seconds adds to a number of seconds since 1970 what it means.
func seconds(s string) string {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 && n < 1<<37 {
		return s + " (" + stamp(time.Unix(n, 0)) + ")"
	}
	return s
}
