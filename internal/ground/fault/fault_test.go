package fault

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

func TestCodeAndHint(t *testing.T) {
	inner := New(BadDigest, "inner hint", "inner")
	for _, c := range []struct {
		err  error
		code Code
		hint string
	}{
		{nil, OK, ""},
		{errors.New("plain"), Failed, ""},
		{context.Canceled, Cancelled, ""},
		{inner, BadDigest, "inner hint"},
		{fmt.Errorf("outer: %w", inner), BadDigest, "inner hint"},
		{New(Usage, "", "outer: %w", inner), Usage, "inner hint"},
		{New(Usage, "outer hint", "outer: %w", inner), Usage, "outer hint"},
		{errors.Join(errors.New("first"), inner), BadDigest, "inner hint"},
	} {
		if CodeOf(c.err) != c.code || HintOf(c.err) != c.hint {
			t.Errorf("%v: code %d, hint %q; want %d, %q", c.err, CodeOf(c.err), HintOf(c.err), c.code, c.hint)
		}
	}
}
