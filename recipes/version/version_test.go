package version

import (
	"slices"
	"testing"
)

func TestCompareOrdersAscendingLists(t *testing.T) {
	lists := [][]string{
		{"1.0.2", "1.0.2z", "1.0.2za", "1.1.0", "1.1.1", "1.1.1a", "1.1.1d", "1.1.1w", "3.0.0alpha17", "3.0.0beta1", "3.0.0", "3.0.9", "3.0.22", "3.5.7", "4.0.0"},
		{"3.8.1", "3.9.2", "3.11.2", "3.13.5", "3.13.15", "3.14.0a1", "3.14.0b2", "3.14.0rc1", "3.14.0", "3.14.10"},
		{"6.5+20250216", "6.5+20250301", "6.6"},
		{"20250104-3.1", "20250104-3.2", "20251001-3.1"},
	}
	for _, l := range lists {
		for i, a := range l {
			for j, b := range l {
				want := min(1, max(-1, i-j))
				if got := Compare(a, b); got != want {
					t.Errorf("Compare(%s, %s) = %d, want %d", a, b, got, want)
				}
			}
		}
	}
	if Compare("3.0", "3.0.0") != 0 || Compare("3.01", "3.1") != 0 {
		t.Error("a missing part is not 0, or leading zeros count")
	}
}

func TestCheck(t *testing.T) {
	for _, good := range []string{"3", "3.13.15", "1.1.1w", "6.5+20250216", "3.14.0rc1", "1.3.dfsg+really1.3.1"} {
		if err := Check(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "v3", "3..1", "3.", ".3", "3/4", "3 4", "../3", "3.1\n", string(slices.Repeat([]byte("1"), 65))} {
		if Check(bad) == nil {
			t.Errorf("%q passes for a version", bad)
		}
	}
}

func TestConstraint(t *testing.T) {
	for _, c := range []struct {
		constraint string
		in, out    []string
	}{
		{">=3.0, <4.0", []string{"3.0", "3.0.22", "3.6.3"}, []string{"1.1.1w", "4.0", "4.0.2"}},
		{">1.1.1, <=1.1.1w", []string{"1.1.1a", "1.1.1w"}, []string{"1.1.1", "1.1.1za"}},
		{"=3.11.2", []string{"3.11.2"}, []string{"3.11.20"}},
		{"!=3.11.2", []string{"3.11.3"}, []string{"3.11.2"}},
		{"<3.12", []string{"3.9.2", "3.11.2"}, []string{"3.12", "3.13.15"}},
	} {
		got, err := ParseConstraint(c.constraint)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range c.in {
			if !got.Allows(v) {
				t.Errorf("%q refuses %s", c.constraint, v)
			}
		}
		for _, v := range c.out {
			if got.Allows(v) {
				t.Errorf("%q allows %s", c.constraint, v)
			}
		}
	}
	for _, bad := range []string{"", "3.0", ">=", ">=3.0,", "=>3.0", ">=3.0 <4.0", "~3"} {
		if _, err := ParseConstraint(bad); err == nil {
			t.Errorf("%q passes for a constraint", bad)
		}
	}
}

func TestSeries(t *testing.T) {
	for _, c := range []struct {
		series  string
		depth   int
		in, out []string
	}{
		{"3.13", 2, []string{"3.13", "3.13.0", "3.13.15", "3.13.0rc1"}, []string{"3.1", "3.12.9", "3.14.0", "3.130"}},
		{"3.9-3.11", 0, []string{"3.9", "3.9.2", "3.10.1", "3.11.2"}, []string{"3.8.1", "3.12.0"}},
		{"3.5.7", 3, []string{"3.5.7"}, []string{"3.5.70", "3.5.8", "3.5"}},
		{"1.1.1", 3, []string{"1.1.1", "1.1.1d", "1.1.1w"}, []string{"1.1.0l", "1.1.10"}},
		{"3", 1, []string{"3.0.22", "3.6.3"}, []string{"4.0.2", "1.1.1w"}},
	} {
		s, err := ParseSeries(c.series)
		if err != nil {
			t.Fatal(err)
		}
		if s.Depth() != c.depth {
			t.Errorf("%s has depth %d, want %d", c.series, s.Depth(), c.depth)
		}
		for _, v := range c.in {
			if !s.Contains(v) {
				t.Errorf("%s lacks %s", c.series, v)
			}
		}
		for _, v := range c.out {
			if s.Contains(v) {
				t.Errorf("%s contains %s", c.series, v)
			}
		}
	}
	for _, bad := range []string{"", "x", "3.11-3.9", "3.13.*", "3.9-", "-3.9"} {
		if _, err := ParseSeries(bad); err == nil {
			t.Errorf("%q passes for a series", bad)
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("1.1.1w", "1.1.1d")
	f.Add("3.14.0rc1", "3.14.0")
	f.Add("6.5+20250216", "")
	f.Fuzz(func(t *testing.T, a, b string) {
		if Compare(a, b) != -Compare(b, a) || Compare(a, a) != 0 {
			t.Errorf("no order between %q and %q", a, b)
		}
	})
}
