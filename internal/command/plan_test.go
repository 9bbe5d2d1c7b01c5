package command

import (
	"slices"
	"testing"
)

func TestCriticalPath(t *testing.T) {
	steps := func(hits ...string) []planned {
		all := []planned{
			{Step: "build/openssl", Seconds: 90},
			{Step: "build/zlib", Seconds: 4},
			{Step: "build/python", Seconds: 100, Needs: []string{"openssl", "zlib"}},
			{Step: "build/openssl-weak", Seconds: 60, Needs: []string{"openssl"}},
			{Step: "build/python-weak", Seconds: 2, Needs: []string{"python", "openssl-weak"}},
		}
		for i := range all {
			all[i].Hit = slices.Contains(hits, all[i].Step)
		}
		return all
	}
	for _, c := range []struct {
		hits    []string
		path    []string
		seconds float64
	}{
		{nil, []string{"openssl", "python", "python-weak"}, 192},
		{[]string{"build/openssl", "build/python"}, []string{"openssl-weak", "python-weak"}, 62},
		{[]string{"build/openssl", "build/zlib", "build/python", "build/openssl-weak", "build/python-weak"}, nil, 0},
	} {
		if path, seconds := criticalPath(steps(c.hits...)); !slices.Equal(path, c.path) || seconds != c.seconds {
			t.Errorf("with %v from the store: %v, %v s; want %v, %v s", c.hits, path, seconds, c.path, c.seconds)
		}
	}
	unknown := steps()
	for i := range unknown {
		unknown[i].Seconds = 0
	}
	if path, _ := criticalPath(unknown); len(path) != 3 {
		t.Errorf("without times: %v", path)
	}
}
