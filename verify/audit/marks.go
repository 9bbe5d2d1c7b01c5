package audit

import "regexp"

// form is a kind of file in which a library's code stands.
type form uint

const (
	native  form = 1 << iota // ELF, static libraries, programs of other systems
	java                     // classes, and archives and images of them
	managed                  // .NET's assemblies
	erlang                   // BEAM
	script                   // Python, JavaScript and their like, compiled or not
)

// library is a TLS implementation, known by text and tables that only its code has. Marks are chosen to
// survive strip(1): texts of errors,
// names of settings, tables of constants. They are written with a bar in them, so that they do not stand in
// this program.
type library struct {
	name    string
	soname  string     // the beginning of the name of its shared library
	in      form       // 0: native
	marks   [][]string // each list by itself is enough
	not     [][]string // what has the marks and is no TLS
	version *regexp.Regexp
	verdict Verdict // of every version, unless what follows says more
	known   string
	low     [][]string     // marks of code for less than TLS 1.2
	exports *regexp.Regexp // functions for less than TLS 1.2
	without [][]string     // marks of versions without such code
	since   string         // the first of them
	sure    [][]string     // what else is in every copy, without which the name is only a text
}

// bearSuites is the beginning of BearSSL's table of cipher suites: the number of each, and what it is made
// of.
const bearSuites = "\x00\x0a\x00\x24\x00\x2f\x01\x24\x00\x35\x02\x24|\x00\x3c\x01\x44\x00\x3d\x02\x44"

// Labels of the key derivation of TLS 1.0 to 1.2 (RFC 5246, sections 6.3 and 7.4.9), which every
// implementation has.
const keyExpansion, clientFinished, serverFinished = "key exp|ansion", "client f|inished", "server f|inished"

// oneLabel are the libraries that were seen to have the first of these once in every file that has them.
// Others, such as wolfSSL and Mbed TLS, have it twice in some builds.
var oneLabel = []string{"OpenSSL", "BoringSSL", "GnuTLS", "rustls", "Go crypto/tls"}

// libraries are in the order in which they are looked for: one that has another's marks comes first.
var libraries = []library{
	{name: "AWS-LC", marks: [][]string{{"(co|mpatible; AWS-LC"}},
		version: regexp.MustCompile(`AWS-LC (?:FIPS )?(\d+\.\d+\.\d+)`),
		verdict: Below, known: "AWS-LC has TLS 1.0 and 1.1 in every build"},
	{name: "BoringSSL", marks: [][]string{{"(co|mpatible; BoringSSL)"}, {"ALPN_MISM|ATCH_ON_EARLY_DATA"},
		{"INCONSIST|ENT_CLIENT_HELLO"},
		{"boringssl/ssl/|handshake_client"}}, verdict: Below,
		known: "BoringSSL has TLS 1.0 and 1.1 in every build"},
	{name: "LibreSSL", marks: [][]string{{"Lib|reSSL ", "SSL|v3 write client hello A"}},
		version: regexp.MustCompile(`LibreSSL (\d+\.\d+\.\d+)`),
		verdict: Unknown, known: "LibreSSL before 3.8 has TLS 1.0 and 1.1"},
	{name: "OpenSSL", soname: "libssl.so", marks: [][]string{{"SSL|v3/TLS write client hello"}},
		version: openSSLVersion, verdict: Unknown},
	{name: "OpenSSL", soname: "libssl.so", marks: [][]string{{"SSL|v3 write client hello A"},
		{"TLSv1| part of OpenSSL"}, {"SSLv3| part of OpenSSL"}},
		version: openSSLVersion, verdict: Below,
		known: "OpenSSL before 1.1.0 chooses its lowest version at run time"},
	{name: "GnuTLS", soname: "libgnutls.so", marks: [][]string{{"Ena|bled GnuTLS "},
		{"GNUTLS_|DEBUG_LEVEL", keyExpansion}},
		version: regexp.MustCompile(`Enabled GnuTL[S] (\d+\.\d+\.\d+)`), verdict: Below,
		known: "GnuTLS has TLS 1.0 and 1.1 in every build; priorities decide"},
	{name: "NSS", soname: "libssl3.so", marks: [][]string{{"SSL|_VersionRangeSetDefault", "Ver|sion: NSS "},
		{"NSS_SSL_|REQUIRE_SAFE_NEGOTIATION"}},
		version: regexp.MustCompile(`Version: NS[S] (\d+\.\d+(?:\.\d+)?)`), verdict: Below,
		known: "NSS has TLS 1.0 and 1.1 in every build; version ranges decide"},
	// libmbedcrypto, which has no TLS, names the function in the text of an error.
	{name: "Mbed TLS", soname: "libmbedtls.so", marks: [][]string{{"mbe|dtls_ssl_handshake\x00"},
		{"TLS-RSA-|WITH-AES-128-CBC-SHA256", keyExpansion}, {"TLS-ECDHE-|RSA-WITH-AES-128-GCM-SHA256",
			keyExpansion}},
		version: regexp.MustCompile(`bed TLS (\d+\.\d+\.\d+)`), verdict: Unknown,
		known:   "Mbed TLS before 3.0 may have TLS 1.0 and 1.1",
		low:     [][]string{{"mbedtls_ssl_|conf_cbc_record_splitting"}},
		without: [][]string{{"mbedtls_ssl_|conf_sig_algs"}, {"mbedtls_ssl_tls1|3_"}}, since: "3.0.0"},
	{name: "wolfSSL", soname: "libwolfssl.so", marks: [][]string{{"wol|fSSL_CTX_new"},
		{"wolfcrypt|/src/", keyExpansion}, {"ASN self-|signed certificate error", keyExpansion}},
		version: regexp.MustCompile(`wolfSSL (\d+\.\d+\.\d+)`), verdict: Unknown,
		known:   "it depends on how it was configured",
		exports: regexp.MustCompile(`^wolf(SSLv3|TLSv1|TLSv1_1|DTLSv1)(_client|_server)?_method$`)},
	{name: "BearSSL", soname: "libbearssl.so",
		marks:   [][]string{{bearSuites}},
		verdict: Below, known: "BearSSL has TLS 1.0 and 1.1 in every build; a program's versions decide"},
	{name: "Botan", soname: "libbotan-", marks: [][]string{{"Policy forbids |all available TLS version"}},
		version: regexp.MustCompile(`Botan (\d+\.\d+\.\d+) \(`), verdict: Below,
		known: "Botan before 3.0 has TLS 1.0 and 1.1; its policy decides", since: "3.0.0"},
	{name: "s2n-tls", soname: "libs2n.so", marks: [][]string{{"s2n|_negotiate", "s2n|_client_hello"}},
		verdict: Below,
		known:   "s2n-tls has TLS 1.0 and 1.1 in every build; security policies decide"},
	{name: "rustls", marks: [][]string{{"/rus|tls-0"}}, version: rustlsPath, verdict: Holds,
		known: "rustls never had anything below TLS 1.2", sure: [][]string{{"received corr|upt message"}}},
	{name: "Go crypto/tls", marks: [][]string{{".(*Con|n).clientHandshake"},
		{"tls: server selec|ted unsupported protocol version"}},
		verdict: Below, known: "crypto/tls has TLS 1.0 and 1.1 in every build; before Go 1.22 servers take " +
			"them by default, and MinVersion or GODEBUG bring them back"},
	{name: "Haskell tls", marks: [][]string{{"Network/TLS/|Handshake/"}, {"Network.TLS.|Handshake"}},
		version: regexp.MustCompile(`\x00tls-(\d+\.\d+\.\d+)`),
		verdict: Below, known: "Haskell's tls before 2.0 has TLS 1.0 and 1.1; what a program supports decides",
		since: "2.0.0"},
	{name: "Java JSSE", in: java | native, marks: [][]string{{"sun/security/|ssl/ProtocolVersion"},
		{"sun/security/ssl/|SSLContextImpl"}, {"sun.security.ssl|.SSLContextImpl"},
		{"/java.base/|sun/security/ssl"}},
		verdict: Below, known: "JSSE has TLS 1.0 and 1.1 in every JDK; jdk.tls.disabledAlgorithms decides, " +
			"which a program can change"},
	{name: "Bouncy Castle", in: java | managed | native, marks: [][]string{{"org/bouncycastle/|tls/TlsUtils"},
		{"org/bouncycastle/|crypto/tls/TlsUtils"}, {"Org.Bouncy|Castle.Tls"},
		{"Org.BouncyCastle.|Crypto.Tls"}},
		verdict: Below, known: "Bouncy Castle's TLS has TLS 1.0 and 1.1 in every release; a program's " +
			"versions decide"},
	{name: "Mono TLS", in: managed, marks: [][]string{{"MonoTls|ProviderFactory"},
		{"Mono.Security.|Protocol.Tls"}}, verdict: Below,
		known: "Mono's TLS has TLS 1.0 and 1.1 in every release"},
	{name: "Erlang ssl", in: erlang, marks: [][]string{{"highest_|protocol_version",
		"lowest_|protocol_version"}}, verdict: Below,
		known: "Erlang's ssl has TLS 1.0 and 1.1; the option versions decides"},
	{name: "tlslite", in: script, marks: [][]string{{"TLSRecord|Layer", "tlsrecord|layer"},
		{"class TLSRecord|Layer"}, {"TLSRecord|Layer", clientFinished}},
		verdict: Below, known: "tlslite has SSLv3, TLS 1.0 and 1.1 in every release; its settings decide"},
	{name: "node-forge", in: script, marks: [][]string{{"forge.tls.|createConnection"}}, verdict: Below,
		known: "node-forge has nothing but TLS 1.0 and 1.1"},
}

// other is what has the labels of TLS 1.0 to 1.2, and is none of the libraries above.
var other = library{name: "TLS of an unknown library", in: native | java | managed | erlang | script,
	marks: [][]string{{keyExpansion, clientFinished}, {keyExpansion, serverFinished}},
	// A token that derives keys for NSS, and a FIPS provider's tests of itself.
	not: [][]string{{"NSS Inter|nal Crypto Services"}, {"NSS Internal| PKCS #11 Module"},
		{"OpenSSL F|IPS Provider"}},
	verdict: Unknown, known: "it has the labels of TLS's key derivation, and which library it is, and its " +
		"lowest version, cannot be told"}

func init() { libraries = append(libraries, other) }

var (
	openSSLVersion = regexp.MustCompile(`OpenSSL (\d+\.\d+\.\d+[a-z]*)[ -][^\x00]{0,40}20\d\d`)
	// rustls stands in the paths of its panics: .../rustls-0.21.10/src/...
	rustlsPath = regexp.MustCompile(`/rustls-(\d+\.\d+\.\d+[^/\x00]{0,20})/src/`)
)

// loadable are beginnings of names of libraries that programs load by dlopen(3), and scripts by their like.
var loadable = []string{"libssl.so", "libgnutls.so", "libssl3.so", "libwolfssl.so", "libmbedtls.so",
	"libbearssl.so", "libbotan-2.so", "libbotan-3.so", "libcurl.so", "libcurl-gnutls.so", "libmariadb.so",
	"libgit2.so"}

var isLoadable = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range loadable {
		all[name] = true
	}
	return all
}()

// carriers are libraries that bring a TLS stack along, in which one only a look at them tells.
var carriers = []string{"libcurl", "libpq.so", "libldap", "libmariadb", "libmysqlclient", "libgrpc",
	"libnode", "librdkafka", "libneon", "libQt5Network", "libQt6Network", "libsoup", "libgit2"}
