package turntest

import "testing"

// TestNow: a short run makes few of many trials, and no run makes none; the long tests make all.
func TestNow(t *testing.T) {
	made := func() (n int) {
		for i := range 24 {
			if Now(i) {
				n++
			}
		}
		return n
	}
	want := 8
	if testing.Short() {
		want = 3
	}
	t.Setenv("TLSFLOOR_TEST", "")
	if got := made(); got != want {
		t.Errorf("%d of 24 trials are made, not %d", got, want)
	}
	t.Setenv("TLSFLOOR_TEST", "long")
	if got := made(); got != 24 {
		t.Errorf("the long tests make %d of 24 trials", got)
	}
}
