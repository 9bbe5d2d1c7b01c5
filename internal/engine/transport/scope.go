package transport

import (
	"net"
	"net/netip"
	"slices"
)

// scope is whose an address is.
type scope int32

const (
	public   scope = iota
	private        // of a network of one's own (RFC 1918, RFC 4193, RFC 6598)
	loopback       // this machine
	// what no server of bundles or sources has: link-local addresses, where clouds answer with credentials,
	// their other addresses for that, multicast, reserved ones, and no address at all
	special
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// within are the forms in which IPv6 has an IPv4 address within, and where in its 16 bytes that stands.
var within = []struct {
	netip.Prefix
	at  int
	xor byte
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12, 0},    // RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12, 0},  // RFC 8215, as a /96 of it
	{netip.MustParsePrefix("2002::/16"), 2, 0},        // 6to4, RFC 3056
	{netip.MustParsePrefix("2001::/32"), 12, 0xff},    // Teredo, RFC 4380 section 4
	{netip.MustParsePrefix("::/96"), 12, 0},           // IPv4-compatible, RFC 4291 section 2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, 0}, // IPv4-translated, RFC 2765 section 2.1
}

// The special-purpose address registries of IANA (RFC 6890), but for what netip knows itself, and but for the
// blocks of documentation, which lead nowhere.
var (
	ownNetworks = prefixes("100.64.0.0/10", "198.18.0.0/15", "fec0::/10", "2001:2::/48")
	reserved    = prefixes("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24", "240.0.0.0/4",
		"64:ff9b:1::/48", "100::/64", "2001::/23", "5f00::/16")
)

// metadata are the addresses at which clouds tell a machine its credentials, beside the link-local ones: of
// Amazon, Alibaba, Azure and Oracle, as their manuals of instance metadata name them.
var metadata = prefixes("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32")

// scopeOf looks through the forms in which IPv6 has an IPv4 address within. Where such a form could be
// translated in several ways the address counts as the narrowest of them.
func scopeOf(a netip.Addr) scope {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() {
		return loopback
	}
	if !a.IsUnspecified() && a.Is6() {
		for _, w := range within {
			if !w.Contains(a) {
				continue
			}
			b := a.As16()
			four := [4]byte(b[w.at:])
			for i := range four {
				four[i] ^= w.xor
			}
			a = netip.AddrFrom4(four)
			break
		}
	}
	in := func(list []netip.Prefix) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	switch {
	case a.IsLoopback():
		return loopback
	case in(metadata):
		return special
	case in(ownNetworks) || a.IsPrivate():
		return private
	case !a.IsGlobalUnicast() || in(reserved):
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
