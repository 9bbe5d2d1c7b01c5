package archive

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

const pycHeader = 16

// isPyc tells a compiled Python file of 3.7 or later (PEP 552) by its magic number, which is 3390 or somewhat
// more, then "\r\n", and its flags.
func isPyc(head []byte) bool {
	if len(head) < pycHeader || head[2] != '\r' || head[3] != '\n' {
		return false
	}
	magic := binary.LittleEndian.Uint16(head)
	return magic >= 3390 && magic < 4000 && binary.LittleEndian.Uint32(head[4:]) <= 3
}

func (c *comparer) pyc(ctx context.Context, f findings, a, b content) error {
	headA, err := readPart(a, 0, pycHeader)
	if err != nil {
		return err
	}
	headB, err := readPart(b, 0, pycHeader)
	if err != nil {
		return err
	}
	f.fields("pyc ", pycFields(headA, headB), pycFields(headB, headA))
	codeA, err := part(a, pycHeader, a.Size()-pycHeader)
	if err != nil {
		return err
	}
	codeB, err := part(b, pycHeader, b.Size()-pycHeader)
	if err != nil {
		return err
	}
	at, err := c.differ(ctx, codeA, codeB)
	if err == nil && at >= 0 {
		f.bytes("pyc code", codeA, codeB, at)
	}
	return err
}

// pycFields lists a header's fields; what the flags give another meaning than in the other header has no
// counterpart there and is left out.
func pycFields(head, other []byte) (l digest.Lines) {
	l.Addf("magic number", "%d", binary.LittleEndian.Uint16(head))
	l.Add("flags", pycFlags(head))
	hashed := head[4]&1 != 0
	if hashed != (other[4]&1 != 0) {
		return l
	}
	if hashed {
		l.Addf("source hash", "%x", head[8:16])
		return l
	}
	l.Add("time stamp", stamp(time.Unix(int64(binary.LittleEndian.Uint32(head[8:])), 0)))
	l.Addf("source size", "%d", binary.LittleEndian.Uint32(head[12:]))
	return l
}

func pycFlags(head []byte) string {
	n := binary.LittleEndian.Uint32(head[4:])
	return fmt.Sprintf("%d (%s)", n, []string{"time stamp", "unchecked hash", "2 without a hash", "checked hash"}[n&3])
}
