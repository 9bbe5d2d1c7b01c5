package usage

import "testing"

// TestStoreWithoutHome never names a folder below /tmp, which somebody else could have made first.
func TestStoreWithoutHome(t *testing.T) {
	home := t.TempDir()
	const nobody = 424242
	for _, test := range []struct {
		home, cache string
		uid         int
		want        string
	}{
		{home, "", nobody, home + "/.cache/tlsfloor"},
		{home, home + "/elsewhere", nobody, home + "/elsewhere/tlsfloor"},
		{"", "", nobody, ""},
		{"", "relative", nobody, ""},
		{"", "", 0, "/root/.cache/tlsfloor"}, // as /etc/passwd says
	} {
		t.Setenv("HOME", test.home)
		t.Setenv("XDG_CACHE_HOME", test.cache)
		if got := userStore(test.uid); got != test.want {
			t.Errorf("HOME=%q XDG_CACHE_HOME=%q, user %d: %q, want %q", test.home, test.cache, test.uid,
				got, test.want)
		}
	}
}
