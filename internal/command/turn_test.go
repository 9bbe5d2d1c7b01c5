package command

import (
	"os"
	"time"
)

// turn reports whether the n-th of many trials of one kind is made today. The long tests make all of them,
// the real tests a third, all others an eighth, so that each has its turn within eight days.
func turn(n int) bool {
	every := map[string]int{"": 8, "real": 3, long: 1}[os.Getenv("TLSFLOOR_TEST")]
	return n%every == int(time.Now().Unix()/86400)%every
}
