package usage

// proving is what holds something to the floor.
var proving = []Target{
	{
		Name: "verify", Group: Prove,
		Doc: "proves the installed toolchain again and keeps the new proof; or it holds another " +
			"Python, openssl, client or server to the profile's floor.",
		Flags: []Flag{
			profile.says("the profile, which gives floor and controls (default min-tls1_2)"),
			text("Python", "try this Python instead of the installed one, such as /usr/bin/python3"),
			text("OpenSSL", "try this openssl instead"),
			text("Client", "try this command as a client; {host}, {port}, {url} and {ca} are "+
				"replaced: 'curl --cacert {ca} {url}'"),
			text("Server", "try the server that listens at this host:port of this machine"),
			text("StartTLS", "what is spoken with that server, or by that client, before TLS: none "+
				"(default) or postgres").otherwise("none").oneOf("none", "postgres"),
			text("ServerName", "the name that that server is called by (default: the host of "+
				"-server, if it is a name)"),
			list("Libraries", "comma-separated client libraries of -python to try too: urllib3, "+
				"botocore, pymongo, pymongo[ocsp], psycopg2, psql"),
			list("Visible", "comma-separated files and folders that the program tried may read besides"),
			text("MongoDB", "host:port of a MongoDB or FerretDB without TLS on this machine, which "+
				"pymongo reaches through the judge's TLS"),
			text("Postgres", "host:port of a PostgreSQL without TLS on this machine, which psycopg2, "+
				"psql and clients with -starttls=postgres get to speak with"),
			to.says("prove this generation instead of the one in use, so that rollback may go to it"),
			prefix.says("base folder of the two prefixes (default /opt)"),
			root.says("the image's root folder that it was staged into"),
			jobs.says("compilers at the same time, should a control have to be built"),
			mirror, ours, store, optimize, sysroot,
			with.says("comma-separated optional sets (default: those that it was built with)"),
			sandbox, deps, from,
			trustroot.says("-from=tuf+https://...: its root.json, a file or a name in /etc/tlsfloor/roots.d"),
			key.says("-from: comma-separated public keys, PEM files (default: those in " +
				"/etc/tlsfloor/keys.d)"),
			unsigned,
			report.says("write the proof as a page, JUnit XML, in-toto Statements and transcripts to " +
				"this folder"),
			explain.says("print why this case exists, what it does, and what happened in the stored " +
				"proof; run nothing"),
			offline,
			json.says("events and result as JSON"),
			quiet, timeout,
		},
	},
	{
		Name: "serve", Group: Prove,
		Doc: "runs honest, weak and lying TLS servers to try any client on, until it is interrupted, " +
			"and prints a verdict for each connection; or, with -mtls, one that asks for clients' " +
			"certificates as a load balancer does.",
		Flags: []Flag{
			text("Max", "honest servers speak at most this version: 1.0, 1.1, 1.2 or 1.3 (default); "+
				"what cannot be said within it is left out").oneOf("1.0", "1.1", "1.2", "1.3"),
			list("Only", "comma-separated scenarios (default: all)"),
			text("MTLS", "ask for certificates as AWS's Application Load Balancer does: passthrough "+
				"(hand them on) or verify").oneOf("passthrough", "verify"),
			text("TrustStore", "-mtls=verify: PEM file with the CAs of clients (default: the run's own)"),
			text("CRL", "-mtls=verify: PEM or DER file with revocation lists of these CAs"),
			list("Names", "-mtls: comma-separated host names beside localhost, each with a "+
				"certificate of its own, chosen by SNI"),
			must(number("Port", "port of the first scenario, the others count up (default: any that are free)"),
				func(port int) bool { return port >= 0 && port <= 65535 },
				"from 1 to 65535; leave -port out for any that are free", "-port=%d: no port"),
			out.says("keep the certificates in this folder, for a client in a container (default: a " +
				"temporary one, removed at the end)"),
			json.says("one JSON object per line: the table, then each connection"),
			timeout.says("end after this time, such as 5m (default: when the certificates do, after " +
				"a day)"),
		},
	},
	{
		Name: "explain", Group: Look,
		Doc: "says what a TLS error means, which side is at fault and what to do. The argument is " +
			"the error's text in quotes, or a file that holds it, or - for standard input.",
		Arguments: []Flag{text("Text", "")},
		Flags: []Flag{
			json,
		},
	},
}
