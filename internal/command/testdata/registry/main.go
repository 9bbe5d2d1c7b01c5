// The program is a registry with the referrers API of the OCI distribution specification 1.1, for tests: it prints its address and
// keeps what it gets in memory until it is interrupted.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	quiet := registry.Logger(log.New(io.Discard, "", 0))
	fmt.Fprintln(os.Stderr, http.Serve(l, registry.New(registry.WithReferrersSupport(true), quiet)))
}
