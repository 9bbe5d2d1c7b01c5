package wire

import "fmt"

// Group is a named group's number (RFC 8446 section 4.2.7; IANA's registry of TLS supported groups).
type Group uint16

// Scheme is a signature scheme's number (RFC 8446 section 4.2.3), or a hash and a signature algorithm (RFC
// 5246 section 7.4.1.4.1).
type Scheme uint16

// X25519MLKEM768 and its siblings are hybrids of an elliptic curve and ML-KEM (draft-ietf-tls-ecdhe-mlkem).
const (
	SecP256r1MLKEM768   Group = 0x11eb
	X25519MLKEM768      Group = 0x11ec
	SecP384r1MLKEM1024  Group = 0x11ed
	X25519Kyber768Draft Group = 0x6399
)

var groupNames = map[Group]string{
	0x0001: "sect163k1", 0x0002: "sect163r1", 0x0003: "sect163r2", 0x0004: "sect193r1", 0x0005: "sect193r2", 0x0006: "sect233k1",
	0x0007: "sect233r1", 0x0008: "sect239k1", 0x0009: "sect283k1", 0x000a: "sect283r1", 0x000b: "sect409k1", 0x000c: "sect409r1",
	0x000d: "sect571k1", 0x000e: "sect571r1", 0x000f: "secp160k1", 0x0010: "secp160r1", 0x0011: "secp160r2", 0x0012: "secp192k1",
	0x0013: "secp192r1", 0x0014: "secp224k1", 0x0015: "secp224r1", 0x0016: "secp256k1", 0x0017: "secp256r1", 0x0018: "secp384r1",
	0x0019: "secp521r1", 0x001a: "brainpoolP256r1", 0x001b: "brainpoolP384r1", 0x001c: "brainpoolP512r1", 0x001d: "x25519", 0x001e: "x448",
	0x001f: "brainpoolP256r1tls13", 0x0020: "brainpoolP384r1tls13", 0x0021: "brainpoolP512r1tls13", 0x0029: "curveSM2",
	0x0100: "ffdhe2048", 0x0101: "ffdhe3072", 0x0102: "ffdhe4096", 0x0103: "ffdhe6144", 0x0104: "ffdhe8192",
	0x0200: "MLKEM512", 0x0201: "MLKEM768", 0x0202: "MLKEM1024",
	SecP256r1MLKEM768: "SecP256r1MLKEM768", X25519MLKEM768: "X25519MLKEM768", SecP384r1MLKEM1024: "SecP384r1MLKEM1024",
	X25519Kyber768Draft: "X25519Kyber768Draft00",
	0xff01:              "arbitrary_explicit_prime_curves", 0xff02: "arbitrary_explicit_char2_curves",
}

var schemeNames = map[Scheme]string{
	0x0201: "rsa_pkcs1_sha1", 0x0203: "ecdsa_sha1", 0x0401: "rsa_pkcs1_sha256", 0x0403: "ecdsa_secp256r1_sha256",
	0x0420: "rsa_pkcs1_sha256_legacy", 0x0501: "rsa_pkcs1_sha384", 0x0503: "ecdsa_secp384r1_sha384", 0x0520: "rsa_pkcs1_sha384_legacy",
	0x0601: "rsa_pkcs1_sha512", 0x0603: "ecdsa_secp521r1_sha512", 0x0620: "rsa_pkcs1_sha512_legacy", 0x0708: "sm2sig_sm3",
	0x0804: "rsa_pss_rsae_sha256", 0x0805: "rsa_pss_rsae_sha384", 0x0806: "rsa_pss_rsae_sha512", 0x0807: "ed25519", 0x0808: "ed448",
	0x0809: "rsa_pss_pss_sha256", 0x080a: "rsa_pss_pss_sha384", 0x080b: "rsa_pss_pss_sha512",
	0x081a: "ecdsa_brainpoolP256r1tls13_sha256", 0x081b: "ecdsa_brainpoolP384r1tls13_sha384", 0x081c: "ecdsa_brainpoolP512r1tls13_sha512",
	0x0904: "mldsa44", 0x0905: "mldsa65", 0x0906: "mldsa87",
	// Pairs of RFC 5246 that TLS 1.3 gave no name to.
	0x0101: "rsa_md5", 0x0103: "ecdsa_md5", 0x0202: "dsa_sha1", 0x0301: "rsa_sha224", 0x0302: "dsa_sha224", 0x0303: "ecdsa_sha224",
	0x0402: "dsa_sha256", 0x0502: "dsa_sha384", 0x0602: "dsa_sha512",
}

// String gives the name in IANA's registry, "GREASE" with its number (RFC 8701), or the number alone.
func (g Group) String() string { return nameOf(uint16(g), groupNames[g]) }

// String gives the name in IANA's registry, "GREASE" with its number (RFC 8701), or the number alone.
func (s Scheme) String() string { return nameOf(uint16(s), schemeNames[s]) }

// GREASE is Version's.
func (g Group) GREASE() bool { return Version(g).GREASE() }

// GREASE is Version's.
func (s Scheme) GREASE() bool { return Version(s).GREASE() }

// PostQuantum reports whether g withstands a quantum computer (FIPS 203), alone or beside a curve.
func (g Group) PostQuantum() bool {
	switch g {
	case SecP256r1MLKEM768, X25519MLKEM768, SecP384r1MLKEM1024, X25519Kyber768Draft, 0x0200, 0x0201, 0x0202:
		return true
	}
	return false
}

func nameOf(n uint16, name string) string {
	switch {
	case name != "":
		return name
	case Version(n).GREASE():
		return fmt.Sprintf("GREASE 0x%04x", n)
	}
	return fmt.Sprintf("0x%04x", n)
}
