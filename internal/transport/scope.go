package transport

import (
	"net"
	"net/netip"
)

// scope is whose an address is.
type scope int32

const (
	public   scope = iota
	private        // of a network of one's own (RFC 1918, RFC 4193, RFC 6598)
	loopback       // this machine
	// link-local addresses, where clouds answer with credentials, multicast, and no address at all
	special
)

var (
	shared = netip.MustParsePrefix("100.64.0.0/10")
	nobody = netip.MustParsePrefix("0.0.0.0/8")
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// scopeOf looks through the forms in which IPv6 has an IPv4 address within.
func scopeOf(a netip.Addr) scope {
	a = a.Unmap().WithZone("")
	if b := a.As16(); nat64.Contains(a) {
		a = netip.AddrFrom4([4]byte(b[12:]))
	} else if sixTo4.Contains(a) {
		a = netip.AddrFrom4([4]byte(b[2:6]))
	}
	switch {
	case a.IsLoopback():
		return loopback
	case a.IsPrivate() || shared.Contains(a):
		return private
	case !a.IsGlobalUnicast() || nobody.Contains(a):
		return special
	}
	return public
}

// hostname is a host without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}
