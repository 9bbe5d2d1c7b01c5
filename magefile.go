// Code generated from internal/command/usage by its test with -update; DO NOT EDIT.

//go:build mage

// tlsfloor builds an OpenSSL without SSLv3, TLS 1.0 and TLS 1.1 and a Python linked to it, and proves that the
// result refuses them. A flag can be given as an environment variable too: TLSFLOOR_ and its name in capitals.
package main

import (
	"context"
	"time"

	"github.com/magefile/mage/mg"

	"github.com/tlsfloor/tlsfloor/internal/command"
)

func init() { command.Arguments() }

// Build fetches, checks, builds, installs and proves a toolchain.
func Build(ctx context.Context,
	profile *string, // what to build: min-tls1_2 (default), min-tls1_3, lts-3.0, legacy, guide, or one of -recipes
	prefix *string, // base folder of the two prefixes, compiled in (default /opt)
	root *string, // stage into this image's root folder; the compiled-in prefixes stay
	jobs *int, // compilers at the same time (default: every core)
	mirror *string, // comma-separated folders and URLs to look for sources first
	recipes *string, // comma-separated folders with recipes, patches, keys and profiles of your own
	store *string, // folder that keeps sources and results (root: /var/cache/tlsfloor, others: the user's cache)
	optimize *string, // how far Python is optimised: none, pgo or pgo+lto (default: the profile's)
	sysroot *string, // build against the libc of this older suite, such as bullseye, so that the result runs there too (default: this host's)
	with *string, // comma-separated optional sets: tests (CPython's test suite), static (a libpython to link into programs), or of -recipes
	sandbox *string, // auto (default), require or none
	deps *string, // missing host tools: install them (default, as root) or only check
	trust *string, // what OpenSSL trusts by default: host (its distribution's bundle; Mozilla's list where it has none), mozilla or both (default: as before, else host)
	cafiles *string, // comma-separated files with CA certificates to trust too, from now on
	check *string, // what to hold an installed tree against: index (default) or full, which reads all and proves again
	offline *bool, // use no network
	trace *string, // write what ran when to this file, for chrome://tracing or ui.perfetto.dev
	adopt *bool, // move folders that stand at the prefixes aside; rollback brings them back
	alloweol *bool, // build a profile although a component is past its end of life
	json *bool, // events and result as JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time, such as 45m
) error {
	return command.Run(ctx, "build", command.Flags{
		"profile": profile, "prefix": prefix, "root": root, "jobs": jobs, "mirror": mirror,
		"recipes": recipes, "store": store, "optimize": optimize, "sysroot": sysroot, "with": with,
		"sandbox": sandbox, "deps": deps, "trust": trust, "cafiles": cafiles, "check": check,
		"offline": offline, "trace": trace, "adopt": adopt, "alloweol": alloweol, "json": json,
		"quiet": quiet, "timeout": timeout,
	})
}

// Plan prints the steps of a build, their keys, and which of them the store has; it builds nothing.
func Plan(ctx context.Context,
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the two prefixes (default /opt)
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	optimize *string, // how far Python is optimised: none, pgo or pgo+lto (default: the profile's)
	sysroot *string, // the suite whose libc it is built against (default: this host's)
	with *string, // comma-separated optional sets, such as tests,static
	sandbox *string, // auto (default), require or none
	explain *string, // print what the key of this step is made of, and why each flag is given
	why *string, // print what changed since this step was last built
	json *bool, // print JSON
) error {
	return command.Run(ctx, "plan", command.Flags{
		"profile": profile, "prefix": prefix, "recipes": recipes, "store": store,
		"optimize": optimize, "sysroot": sysroot, "with": with, "sandbox": sandbox,
		"explain": explain, "why": why, "json": json,
	})
}

// Fetch brings the sources of a profile into the store, checked, and builds nothing.
func Fetch(ctx context.Context,
	profile *string, // the profile (default min-tls1_2)
	mirror *string, // comma-separated folders and URLs to look in first
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	trust *string, // mozilla or both: Mozilla's list of CAs too
	sysroot *string, // the suite whose libc it is built against (default: this host's)
	with *string, // comma-separated optional sets, such as tests,static
	offline *bool, // use no network
	json *bool, // events and result as JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "fetch", command.Flags{
		"profile": profile, "mirror": mirror, "recipes": recipes, "store": store, "trust": trust,
		"sysroot": sysroot, "with": with, "offline": offline, "json": json, "quiet": quiet,
		"timeout": timeout,
	})
}

// Vendor writes all sources of a profile, their signatures and keys as one file, from which -mirror builds without a network.
func Vendor(ctx context.Context,
	o *string, // the file to write, such as sources.tar
	profile *string, // the profile (default min-tls1_2)
	mirror *string, // comma-separated folders and URLs to look in first
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	sysroot *string, // the suite whose libc it is built against (default: this host's)
	with *string, // comma-separated optional sets, such as tests,static
	offline *bool, // use no network
	json *bool, // events and result as JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "vendor", command.Flags{
		"o": o, "profile": profile, "mirror": mirror, "recipes": recipes, "store": store,
		"sysroot": sysroot, "with": with, "offline": offline, "json": json, "quiet": quiet,
		"timeout": timeout,
	})
}

// Aliases are other names of targets: `bundle` is what people type.
var Aliases = map[string]any{"bundle": Bundle.Write}

// Bundle is what leaves this machine.
type Bundle mg.Namespace

// Write writes what was built into artifacts/out, to publish or to carry elsewhere: tarballs, SBOM, provenance, proof, digests, signatures.
func (Bundle) Write(ctx context.Context,
	sign *string, // sign with this private key: a PEM file, env:NAME, or exec:COMMAND, which gets the bytes on its standard input and writes the raw signature (default: not signed)
	key *string, // the public key, a PEM file; needed with exec: only
	sequence *int, // -sign: the number of this release, higher than that of the one before (default: the time, in seconds)
	valid *int, // -sign: days for which it may be installed (default 365)
	osv *string, // a folder or zip of advisories in OSV format: the README says which speak of what is in it
	packages *string, // deb, rpm or both: write packages of the same trees too
	release *int, // the packages' release, of the same versions (default 1)
	maintainer *string, // the packages' maintainer: Name <address>
	pgpkey *string, // sign the packages with this OpenPGP secret key: an armored file, or env:NAME
	out *string, // the folder that gets the bundle's folder (default artifacts/out)
	profile *string, // what to bundle (default min-tls1_2)
	prefix *string, // base folder of the two prefixes, compiled in (default /opt)
	jobs *int, // compilers and packers at the same time (default: every core)
	mirror *string, // comma-separated folders and URLs to look for sources first
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	optimize *string, // how far Python is optimised: none, pgo or pgo+lto (default: the profile's)
	sysroot *string, // build against the libc of this older suite, so that the result runs there too (default: this host's)
	with *string, // comma-separated optional sets, such as tests,static
	sandbox *string, // auto (default), require or none
	deps *string, // missing host tools: install (default, as root) or check
	offline *bool, // use no network
	alloweol *bool, // although a component is past its end of life
	json *bool, // events and result as JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "bundle:write", command.Flags{
		"sign": sign, "key": key, "sequence": sequence, "valid": valid, "osv": osv,
		"packages": packages, "release": release, "maintainer": maintainer, "pgpkey": pgpkey,
		"out": out, "profile": profile, "prefix": prefix, "jobs": jobs, "mirror": mirror,
		"recipes": recipes, "store": store, "optimize": optimize, "sysroot": sysroot, "with": with,
		"sandbox": sandbox, "deps": deps, "offline": offline, "alloweol": alloweol, "json": json,
		"quiet": quiet, "timeout": timeout,
	})
}

// Verify holds a bundle against its keys, its digests and its proof, and installs nothing.
func (Bundle) Verify(ctx context.Context, from string,
	key *string, // comma-separated public keys, PEM files, one of which has to have signed it (default: those in /etc/tlsfloor/keys.d)
	unsigned *bool, // hold digests and proof against what the bundle itself says, whoever made it
	profile *string, // the profile that it has to be of (default: any)
	floor *string, // the TLS floor that it has to have at least (default: that of its profile)
	trustroot *string, // of a repository: its trusted root.json (default: the one in /etc/tlsfloor/roots.d)
	store *string, // folder for the copy that is checked
	sysroot *string, // from a repository: the bundle for this older suite
	with *string, // from a repository: the bundle with these optional sets
	recipes *string, // comma-separated folders with recipes of your own
	offline *bool, // use no network
	json *bool, // print JSON
) error {
	return command.Run(ctx, "bundle:verify", command.Flags{
		"from": from, "key": key, "unsigned": unsigned, "profile": profile, "floor": floor,
		"trustroot": trustroot, "store": store, "sysroot": sysroot, "with": with,
		"recipes": recipes, "offline": offline, "json": json,
	})
}

// Publish puts a bundle where others take it from, a folder or a registry, whole or not at all, and reads it back. The argument is the bundle's folder. Other bytes than those that are there are never published under the same name.
func Publish(ctx context.Context, from string,
	keys *string, // when -to is a repository that keys:init made: the folder of private keys
	trustroot *string, // of a repository: the trusted root.json, where the folder of keys has none yet
	sequence *int, // of an unsigned bundle in a repository: its number (default: the time, in seconds)
	to *string, // a folder, or a registry (TLSFLOOR_TARGET): oci://HOST/REPOSITORY[:TAG] (default tag: the bundle's name); who you are there is read from where docker login has put it
	key *string, // comma-separated public keys, PEM files, one of which has to have signed it (default: those in /etc/tlsfloor/keys.d)
	unsigned *bool, // publish it although no trusted key has signed it
	store *string, // folder for what is needed in between
	offline *bool, // use no network
	json *bool, // events and result as JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "publish", command.Flags{
		"from": from, "keys": keys, "trustroot": trustroot, "sequence": sequence, "to": to,
		"key": key, "unsigned": unsigned, "store": store, "offline": offline, "json": json,
		"quiet": quiet, "timeout": timeout,
	})
}

// Keys are what a repository is signed with (docs/keys.md).
type Keys mg.Namespace

// Init makes a repository, from which others install by The Update Framework, and the keys of its roles.
func (Keys) Init(ctx context.Context,
	to *string, // the repository's folder, such as one of a web server or a share
	keys *string, // the new folder for the private keys, on the medium that they live on
	roles *string, // how many of how many keys sign, such as targets=2/2 (default: root=2/3, others 1/1)
) error {
	return command.Run(ctx, "keys:init", command.Flags{"to": to, "keys": keys, "roles": roles})
}

// List shows the roles of a repository, their keys, how many have to sign and until when the signatures hold.
func (Keys) List(ctx context.Context,
	to *string, // the repository's folder
	keys *string, // a folder of private keys: which of them are there
	json *bool, // print JSON
	trustroot *string, // the trusted root.json, where the folder of keys has none yet; it is kept there
) error {
	return command.Run(ctx, "keys:list", command.Flags{
		"to": to, "keys": keys, "json": json, "trustroot": trustroot,
	})
}

// Rotate gives a role a new key and revokes the old one: a new root.json, signed by old and new root keys.
func (Keys) Rotate(ctx context.Context,
	to *string, // the repository's folder
	keys *string, // the folder of private keys, which gets the new one
	role *string, // whose key: root, targets, snapshot or timestamp
	revoke *string, // how the ID of the key begins that goes; keys:list shows them (default: the only one)
	trustroot *string, // the trusted root.json, where the folder of keys has none yet; it is kept there
) error {
	return command.Run(ctx, "keys:rotate", command.Flags{
		"to": to, "keys": keys, "role": role, "revoke": revoke, "trustroot": trustroot,
	})
}

// Sign shows what a new root.json changes that waits for signatures, and with -draft adds other keys' ones.
func (Keys) Sign(ctx context.Context,
	to *string, // the repository's folder
	keys *string, // a folder of private keys
	draft *string, // the SHA-256 digest of the root.json that is signed, as shown without it
	trustroot *string, // the trusted root.json, where the folder of keys has none yet; it is kept there
) error {
	return command.Run(ctx, "keys:sign", command.Flags{
		"to": to, "keys": keys, "draft": draft, "trustroot": trustroot,
	})
}

// Refresh signs snapshot and timestamp of a repository again, and targets where it is about to expire.
func (Keys) Refresh(ctx context.Context,
	to *string, // the repository's folder
	keys *string, // the folder of private keys
	json *bool, // print JSON
	trustroot *string, // the trusted root.json, where the folder of keys has none yet; it is kept there
) error {
	return command.Run(ctx, "keys:refresh", command.Flags{
		"to": to, "keys": keys, "json": json, "trustroot": trustroot,
	})
}

// Install installs a bundle that was built elsewhere: checks it, unpacks it, proves it here, and switches to it. It needs no compiler.
func Install(ctx context.Context,
	from *string, // the bundle: its folder, a tarball in it, the https address of one of these, or oci://HOST/REPOSITORY:TAG
	trustroot *string, // -from=tuf+https://...: its root.json, a file or a name in /etc/tlsfloor/roots.d
	sysroot *string, // from a repository: the bundle for this older suite
	with *string, // from a repository: the bundle with these optional sets
	key *string, // comma-separated public keys, PEM files, one of which has to have signed it (default: those in /etc/tlsfloor/keys.d)
	unsigned *bool, // install it although no trusted key has signed it
	profile *string, // the profile that it has to be of (default: any; from a repository min-tls1_2)
	floor *string, // the TLS floor that it has to have at least (default: that of its profile)
	downgrade *bool, // install it although something newer is in use, or was; it is noted
	unproved *bool, // rely on the proof that it brings where the weak peers are missing that prove it here; it is noted
	prefix *string, // base folder of the two prefixes (default: the one compiled in)
	root *string, // stage into this image's root folder
	trust *string, // what OpenSSL trusts by default: host, mozilla or both (default: as before, else host)
	cafiles *string, // comma-separated files with CA certificates to trust too, from now on
	check *string, // what to hold an installed tree against: index (default) or full
	store *string, // folder for what is needed in between
	sandbox *string, // auto (default), require or none: where the proof runs
	mirror *string, // comma-separated folders and URLs to look for Mozilla's list of CAs first
	recipes *string, // comma-separated folders with recipes of your own
	offline *bool, // use no network
	adopt *bool, // move folders that stand at the prefixes aside; rollback brings them back
	json *bool, // events and result as JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "install", command.Flags{
		"from": from, "trustroot": trustroot, "sysroot": sysroot, "with": with, "key": key,
		"unsigned": unsigned, "profile": profile, "floor": floor, "downgrade": downgrade,
		"unproved": unproved, "prefix": prefix, "root": root, "trust": trust, "cafiles": cafiles,
		"check": check, "store": store, "sandbox": sandbox, "mirror": mirror, "recipes": recipes,
		"offline": offline, "adopt": adopt, "json": json, "quiet": quiet, "timeout": timeout,
	})
}

// Verify proves the installed toolchain again and keeps the new proof; or it holds another Python, openssl, client or server to the profile's floor.
func Verify(ctx context.Context,
	profile *string, // the profile, which gives floor and controls (default min-tls1_2)
	python *string, // try this Python instead of the installed one, such as /usr/bin/python3
	openssl *string, // try this openssl instead
	client *string, // try this command as a client; {host}, {port}, {url} and {ca} are replaced: 'curl --cacert {ca} {url}'
	server *string, // try the server that listens at this host:port of this machine
	starttls *string, // what is spoken with that server, or by that client, before TLS: none (default) or postgres
	servername *string, // the name that that server is called by (default: the host of -server, if it is a name)
	libraries *string, // comma-separated client libraries of -python to try too: urllib3, botocore, pymongo, pymongo[ocsp], psycopg2, psql
	visible *string, // comma-separated files and folders that the program tried may read besides
	mongodb *string, // host:port of a MongoDB or FerretDB without TLS on this machine, which pymongo reaches through the judge's TLS
	postgres *string, // host:port of a PostgreSQL without TLS on this machine, which psycopg2, psql and clients with -starttls=postgres get to speak with
	to *int, // prove this generation instead of the one in use, so that rollback may go to it
	prefix *string, // base folder of the two prefixes (default /opt)
	root *string, // the image's root folder that it was staged into
	jobs *int, // compilers at the same time, should a control have to be built
	mirror *string, // comma-separated folders and URLs to look for sources first
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	optimize *string, // how far Python is optimised: none, pgo or pgo+lto (default: the profile's)
	sysroot *string, // the suite whose libc it is built against (default: this host's)
	with *string, // comma-separated optional sets (default: those that it was built with)
	sandbox *string, // auto (default), require or none
	deps *string, // missing host tools: install (default, as root) or check
	from *string, // the bundle that it was installed from, whose weak peers need no compiler: a folder, or an https:// or oci:// address
	trustroot *string, // -from=tuf+https://...: its root.json, a file or a name in /etc/tlsfloor/roots.d
	key *string, // -from: comma-separated public keys, PEM files (default: those in /etc/tlsfloor/keys.d)
	unsigned *bool, // -from: although no trusted key has signed it
	report *string, // write the proof as a page, JUnit XML, in-toto Statements and transcripts to this folder
	explain *string, // print why this case exists, what it does, and what happened in the stored proof; run nothing
	offline *bool, // use no network
	json *bool, // events and result as JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "verify", command.Flags{
		"profile": profile, "python": python, "openssl": openssl, "client": client,
		"server": server, "starttls": starttls, "servername": servername, "libraries": libraries,
		"visible": visible, "mongodb": mongodb, "postgres": postgres, "to": to, "prefix": prefix,
		"root": root, "jobs": jobs, "mirror": mirror, "recipes": recipes, "store": store,
		"optimize": optimize, "sysroot": sysroot, "with": with, "sandbox": sandbox, "deps": deps,
		"from": from, "trustroot": trustroot, "key": key, "unsigned": unsigned, "report": report,
		"explain": explain, "offline": offline, "json": json, "quiet": quiet, "timeout": timeout,
	})
}

// Serve runs honest, weak and lying TLS servers to try any client on, until it is interrupted, and prints a verdict for each connection; or, with -mtls, one that asks for clients' certificates as a load balancer does.
func Serve(ctx context.Context,
	max *string, // honest servers speak at most this version: 1.0, 1.1, 1.2 or 1.3 (default); what cannot be said within it is left out
	only *string, // comma-separated scenarios (default: all)
	mtls *string, // ask for certificates as AWS's Application Load Balancer does: passthrough (hand them on) or verify
	truststore *string, // -mtls=verify: PEM file with the CAs of clients (default: the run's own)
	crl *string, // -mtls=verify: PEM or DER file with revocation lists of these CAs
	names *string, // -mtls: comma-separated host names beside localhost, each with a certificate of its own, chosen by SNI
	port *int, // port of the first scenario, the others count up (default: any that are free)
	out *string, // keep the certificates in this folder, for a client in a container (default: a temporary one, removed at the end)
	json *bool, // one JSON object per line: the table, then each connection
	timeout *time.Duration, // end after this time, such as 5m (default: when the certificates do, after a day)
) error {
	return command.Run(ctx, "serve", command.Flags{
		"max": max, "only": only, "mtls": mtls, "truststore": truststore, "crl": crl,
		"names": names, "port": port, "out": out, "json": json, "timeout": timeout,
	})
}

// Explain says what a TLS error means, which side is at fault and what to do. The argument is the error's text in quotes, or a file that holds it, or - for standard input.
func Explain(ctx context.Context, text string,
	json *bool, // print JSON
) error {
	return command.Run(ctx, "explain", command.Flags{"text": text, "json": json})
}

// Status lists the installed generations, their proofs, altered files and packages of yours.
func Status(ctx context.Context,
	profile *string, // only this profile
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	recipes *string, // comma-separated folders with recipes of your own
	json *bool, // print JSON
) error {
	return command.Run(ctx, "status", command.Flags{
		"profile": profile, "prefix": prefix, "root": root, "recipes": recipes, "json": json,
	})
}

// Rollback switches to the generation before the one in use.
func Rollback(ctx context.Context,
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	to *int, // the generation to go to, backwards or forwards
	json *bool, // print JSON
) error {
	return command.Run(ctx, "rollback", command.Flags{
		"profile": profile, "prefix": prefix, "root": root, "to": to, "json": json,
	})
}

// Uninstall removes what was installed, all generations of it, and nothing else; what stood at the prefixes before goes back there.
func Uninstall(ctx context.Context,
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	json *bool, // print JSON
) error {
	return command.Run(ctx, "uninstall", command.Flags{
		"profile": profile, "prefix": prefix, "root": root, "json": json,
	})
}

// Dist compiles tlsfloor into one static program for machines without Go, with SBOM, digests and signatures.
func Dist(ctx context.Context,
	o *string, // the file to write (default artifacts/out/tlsfloor-linux-<arch>)
	sign *string, // the private key: a PEM file, env:NAME or exec:COMMAND
	key *string, // the public key that belongs to it; needed with exec:
	json *bool, // print JSON
) error {
	return command.Run(ctx, "dist", command.Flags{"o": o, "sign": sign, "key": key, "json": json})
}

// Doctor looks at this machine and the profiles, and says what is missing, old or not validated.
func Doctor(ctx context.Context,
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	sandbox *string, // auto (default), require or none
	json *bool, // print JSON
) error {
	return command.Run(ctx, "doctor", command.Flags{
		"profile": profile, "prefix": prefix, "root": root, "recipes": recipes, "store": store,
		"sandbox": sandbox, "json": json,
	})
}

// Completion writes what bash, zsh or fish read to complete targets, flags and values of tlsfloor.
func Completion(ctx context.Context,
	shell *string, // bash, zsh or fish
) error {
	return command.Run(ctx, "completion", command.Flags{"shell": shell})
}

// Clean removes work folders, failed steps and unfinished downloads from the store.
func Clean(ctx context.Context,
	store *string, // folder of the store
	all *bool, // remove everything that the store holds
) error {
	return command.Run(ctx, "clean", command.Flags{"store": store, "all": all})
}

// Store looks after the folder that keeps sources and results.
type Store mg.Namespace

// Gc removes old results and what only they need; without -yes it only says what it would remove.
func (Store) Gc(ctx context.Context,
	store *string, // folder of the store
	keep *int, // results to keep of each step of each profile (default 2)
	maxsize *string, // keep at most this much, newest first, such as 20GB
	yes *bool, // really remove
	json *bool, // print JSON
) error {
	return command.Run(ctx, "store:gc", command.Flags{
		"store": store, "keep": keep, "maxsize": maxsize, "yes": yes, "json": json,
	})
}

// Check reads everything in the store and forgets what is damaged; the next build makes it again.
func (Store) Check(ctx context.Context,
	store *string, // folder of the store
	json *bool, // print JSON
) error {
	return command.Run(ctx, "store:check", command.Flags{"store": store, "json": json})
}

// Trust is what the installed OpenSSL trusts by default.
type Trust mg.Namespace

// List prints the certificates that are trusted, with their last day and where each comes from.
func (Trust) List(ctx context.Context,
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	json *bool, // print JSON
) error {
	return command.Run(ctx, "trust:list", command.Flags{
		"profile": profile, "prefix": prefix, "root": root, "json": json,
	})
}

// Add adds CAs of your own beside what is trusted, for this and all later generations.
func (Trust) Add(ctx context.Context,
	cafiles *string, // comma-separated files with CA certificates, PEM or DER
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	json *bool, // print JSON
) error {
	return command.Run(ctx, "trust:add", command.Flags{
		"cafiles": cafiles, "profile": profile, "prefix": prefix, "root": root, "json": json,
	})
}

// Remove takes back one CA that was added.
func (Trust) Remove(ctx context.Context,
	subject *string, // its subject or common name, or how one of these begins
	sha256 *string, // its digest, or how that begins
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	json *bool, // print JSON
) error {
	return command.Run(ctx, "trust:remove", command.Flags{
		"subject": subject, "sha256": sha256, "profile": profile, "prefix": prefix, "root": root,
		"json": json,
	})
}

// Check lists what is expired or expires soon. It exits with 1 when a CA that was added is expired, or cert.pem was changed by hand.
func (Trust) Check(ctx context.Context,
	days *int, // how far to look ahead (default 30)
	profile *string, // the profile (default min-tls1_2)
	prefix *string, // base folder of the prefixes (default /opt)
	root *string, // the image's root folder
	json *bool, // print JSON
) error {
	return command.Run(ctx, "trust:check", command.Flags{
		"days": days, "profile": profile, "prefix": prefix, "root": root, "json": json,
	})
}

// Audit finds the TLS stacks beside this toolchain's.
type Audit mg.Namespace

// Env lists every TLS stack in a virtual environment, prefix or other folder, whether the floor is compiled into it, and what to use instead. It runs nothing that it finds, and exits with 3 when one is below the floor, with 9 when it cannot be told.
func (Audit) Env(ctx context.Context, path string,
	probe *bool, // run what it knows how to drive too (PyOpenSSL, pycurl, psycopg2, grpc), in a sandbox and not as root, and see at which versions it connects
	sarif *string, // write the findings to this file too, as SARIF for code scanners
	json *bool, // print JSON
) error {
	return command.Run(ctx, "audit:env", command.Flags{
		"path": path, "probe": probe, "sarif": sarif, "json": json,
	})
}

// Pid does the same for the files that a running process has loaded.
func (Audit) Pid(ctx context.Context, pid int,
	sarif *string, // write the findings to this file too, as SARIF for code scanners
	json *bool, // print JSON
) error {
	return command.Run(ctx, "audit:pid", command.Flags{"pid": pid, "sarif": sarif, "json": json})
}

// Pins holds every pinned version against a folder of advisories, and says which are affected, by what, and where it is fixed. It asks no network, and exits with 8 when one is of the chosen severity, with 9 when it cannot be told.
func (Audit) Pins(ctx context.Context,
	osv *string, // folder of advisories in OSV format, such as those of osv.dev, or an all.zip of it
	severity *string, // exit with 8 from this on: none, low (default), medium, high or critical; what nobody has rated counts as worse
	profile *string, // only what this profile pins (default: all profiles)
	recipes *string, // comma-separated folders with recipes of your own
	json *bool, // print JSON
) error {
	return command.Run(ctx, "audit:pins", command.Flags{
		"osv": osv, "severity": severity, "profile": profile, "recipes": recipes, "json": json,
	})
}

// Profile trains and writes the profile of what Python runs often into a folder, with the lines that pin it for this compiler in an overlay.
func Profile(ctx context.Context,
	profile *string, // of which toolchain (default min-tls1_2)
	report *string, // the folder (default: this one)
	prefix *string, // base folder of the two prefixes, compiled in (default /opt)
	jobs *int, // compilers at the same time (default: every core)
	mirror *string, // comma-separated folders and URLs to look for sources first
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	optimize *string, // pgo or pgo+lto (default: the profile's)
	sysroot *string, // the suite whose libc it is built against (default: this host's)
	sandbox *string, // auto (default), require or none
	deps *string, // missing host tools: install (default, as root) or check
	offline *bool, // use no network
	quiet *bool, // print the lines only
) error {
	return command.Run(ctx, "profile", command.Flags{
		"profile": profile, "report": report, "prefix": prefix, "jobs": jobs, "mirror": mirror,
		"recipes": recipes, "store": store, "optimize": optimize, "sysroot": sysroot,
		"sandbox": sandbox, "deps": deps, "offline": offline, "quiet": quiet,
	})
}

// Bump looks for newer versions of what a profile pins, at upstream's places and in the distribution's signed lists, checks their signatures, and writes them into the recipes of this checkout. OpenSSL and Python stay in their series. It exits with 6 when a newer version is signed by nobody whom its recipe trusts.
func Bump(ctx context.Context,
	component *string, // comma-separated components (default: all)
	profile *string, // whose versions (default min-tls1_2)
	out *string, // the folder of the recipes (default recipes)
	mirror *string, // comma-separated folders and URLs to look for sources first
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	offline *bool, // use no network
	wait *time.Duration, // leave releases alone that are younger (default 72h)
	stale *time.Duration, // take lists that a mirror has not renewed, this long after their time (default 0)
	json *bool, // print JSON
	quiet *bool, // print the result only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "bump", command.Flags{
		"component": component, "profile": profile, "out": out, "mirror": mirror,
		"recipes": recipes, "store": store, "offline": offline, "wait": wait, "stale": stale,
		"json": json, "quiet": quiet, "timeout": timeout,
	})
}

// Rebuild builds a profile again from nothing, in a world that differs in everything, and compares all files. It exits with 4 when one differs.
func Rebuild(ctx context.Context,
	profile *string, // what to build (default min-tls1_2)
	vary *string, // how the second world differs: all (default), or some of path, time, timezone, locale, umask ... (see docs/reproducible.md)
	each *bool, // one rebuild for each variation instead of one under all: hours
	against *string, // compare with somebody else's index.json or tarball instead of with a first build
	report *string, // write the report into this folder, as JSON and as a page
	claim *string, // add the digests to this index.json, if all is equal and nothing was skipped
	packages *string, // deb, rpm or both: compare packages of the trees too
	release *int, // the packages' release, of the same versions (default 1)
	maintainer *string, // the packages' maintainer: Name <address>
	prefix *string, // base folder of the two prefixes, compiled in (default /opt)
	jobs *int, // compilers at the same time (default: every core)
	mirror *string, // comma-separated folders and URLs to look for sources first
	recipes *string, // comma-separated folders with recipes of your own
	store *string, // folder of the store
	optimize *string, // how far Python is optimised: none, pgo or pgo+lto (default: the profile's)
	sysroot *string, // the suite whose libc it is built against (default: this host's)
	with *string, // comma-separated optional sets, such as tests,static
	sandbox *string, // auto (default), require or none
	deps *string, // missing host tools: install (default, as root) or check
	offline *bool, // use no network
	alloweol *bool, // although a component is past its end of life
	json *bool, // events and report as JSON
	quiet *bool, // print the report only
	timeout *time.Duration, // stop after this time
) error {
	return command.Run(ctx, "rebuild", command.Flags{
		"profile": profile, "vary": vary, "each": each, "against": against, "report": report,
		"claim": claim, "packages": packages, "release": release, "maintainer": maintainer,
		"prefix": prefix, "jobs": jobs, "mirror": mirror, "recipes": recipes, "store": store,
		"optimize": optimize, "sysroot": sysroot, "with": with, "sandbox": sandbox, "deps": deps,
		"offline": offline, "alloweol": alloweol, "json": json, "quiet": quiet, "timeout": timeout,
	})
}

// Bench times a cold build against the guide's flow by hand, for hours rather than minutes, and writes docs/benchmarks.md.
func Bench(ctx context.Context,
	suite *string, // build (default) or python
	rounds *int, // how often each flow runs (default 3)
	jobs *int, // compilers at the same time (default: every core)
	mirror *string, // comma-separated folders and URLs to look for sources first
	store *string, // folder of the store that sources come from
	deps *string, // missing host tools: install (default, as root) or check
	offline *bool, // use no network
) error {
	return command.Run(ctx, "bench", command.Flags{
		"suite": suite, "rounds": rounds, "jobs": jobs, "mirror": mirror, "store": store,
		"deps": deps, "offline": offline,
	})
}

// Enter opens a shell in the environment of a step that failed.
func Enter(ctx context.Context,
	step *string, // the step, such as build/openssl
	store *string, // folder of the store
) error {
	return command.Run(ctx, "enter", command.Flags{"step": step, "store": store})
}

// Check runs what to run before each commit: gofmt, go vet, staticcheck and the fast tests.
func Check(ctx context.Context,
	quiet *bool, // print the result only
) error {
	return command.Run(ctx, "check", command.Flags{"quiet": quiet})
}

// Test runs everything that the project tests, the real build of the default profile included.
func Test(ctx context.Context,
	long *bool, // the long tests too
	mirror *string, // comma-separated folders and URLs to look for sources first
	deps *string, // missing host tools: install (default, as root) or check
	quiet *bool, // print the result only
) error {
	return command.Run(ctx, "test", command.Flags{
		"long": long, "mirror": mirror, "deps": deps, "quiet": quiet,
	})
}
