package archive

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestWriteArSaysWhatIsWrong: a member of another size than announced, one that cannot be read, and a long
// name.
func TestWriteArSaysWhatIsWrong(t *testing.T) {
	torn := errors.New("torn")
	for says, m := range map[string]ArMember{
		"ar: name: 3 bytes were announced, and 2 came": {"name", 3, strings.NewReader("ab")},
		"ar: name: torn": {"name", 3, iotest.ErrReader(torn)},
		"is too long":    {"a-name-of-sixteen", 0, strings.NewReader("")},
	} {
		err := WriteAr(io.Discard, time.Unix(0, 0), m)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "%!") {
			t.Errorf("%v, want %s", err, says)
		}
	}
	if err := WriteAr(io.Discard, time.Unix(0, 0), ArMember{"name", 2, strings.NewReader("ab")}); err != nil {
		t.Error(err) // the control
	}
}
