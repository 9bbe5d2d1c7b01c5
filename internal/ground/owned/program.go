package owned

import (
	"os"
	"path/filepath"
)

// systemPath is where a program of the system is looked for that may run as root: not where PATH says, as a
// caller's PATH may begin with folders of anybody's.
const systemPath = "/usr/sbin:/usr/bin:/sbin:/bin"

// passed are the variables that such a program keeps: how the network is reached, and nothing that makes it
// load or run something.
var passed = []string{"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY",
	"NO_PROXY"}

// Program returns the path of a program of the system, or "". Folders is a colon-separated list that a test
// may put in the place of the system's.
func Program(folders, name string) string {
	if folders == "" {
		folders = systemPath
	}
	for _, dir := range filepath.SplitList(folders) {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file
		}
	}
	return ""
}

// Environment is what a program of the system runs in: a constant one, what it needs to reach the network,
// and more.
func Environment(more ...string) []string {
	env := []string{"PATH=" + systemPath, "LC_ALL=C", "HOME=/root"}
	for _, name := range passed {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return append(env, more...)
}
