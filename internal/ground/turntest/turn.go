// Package turntest decides which of many trials of one kind a test makes. `go test -short`, and so
// `mage check`, makes an eighth of them, `go test` a third, and the long tests all. Which ones changes with
// the day, so that each has its turn within eight days.
package turntest

import (
	"os"
	"testing"
	"time"
)

// Now reports whether the n-th trial is made today.
func Now(n int) bool {
	every := 3
	switch {
	case os.Getenv("TLSFLOOR_TEST") == "long":
		every = 1
	case testing.Short():
		every = 8
	}
	return n%every == int(time.Now().Unix()/86400)%every
}
