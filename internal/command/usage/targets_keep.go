package usage

// keeping is what looks at an installation and its store, and after them.
var keeping = []Target{
	{
		Name: "status", Group: Look,
		Doc: "lists the installed generations, their proofs, altered files and packages of yours.",
		Flags: []Flag{
			profile.says("only this profile"),
			prefix, root, ours, json,
		},
	},
	{
		Name: "rollback", Group: Maintain,
		Doc: "switches to the generation before the one in use.",
		Flags: []Flag{
			profile, prefix, root,
			to, json,
		},
	},
	{
		Name: "uninstall", Group: Maintain,
		Doc: "removes what was installed, all generations of it, and nothing else; what stood at the " +
			"prefixes before goes back there.",
		Flags: []Flag{
			profile, prefix, root, json,
		},
	},
	{
		Name: "dist", Group: Ship,
		Doc: "compiles tlsfloor into one static program for machines without Go, with SBOM, digests " +
			"and signatures.",
		Flags: []Flag{
			o.says("the file to write (default artifacts/out/tlsfloor-linux-<arch>)"),
			sign.says("the private key: a PEM file, env:NAME or exec:COMMAND"),
			key.says("the public key that belongs to it; needed with exec:"),
			json,
		},
	},
	{
		Name: "doctor", Group: Look,
		Doc: "looks at this machine and the profiles, and says what is missing, old or not validated.",
		Flags: []Flag{
			profile, prefix, root, ours, store, sandbox, json,
		},
	},
	{
		Name: "completion", Group: Look,
		Doc: "writes what bash, zsh or fish read to complete targets, flags and values of tlsfloor.",
		Flags: []Flag{
			text("Shell", "bash, zsh or fish").oneOf(Shells...),
		},
	},
	{
		Name: "clean", Group: Maintain,
		Doc: "removes work folders, failed steps and unfinished downloads from the store.",
		Flags: []Flag{
			store,
			toggle("All", "remove everything that the store holds"),
		},
	},
	{
		Name: "store:gc", Group: Maintain,
		Doc: "removes old results and what only they need; without -yes it only says what it would " +
			"remove.",
		Flags: []Flag{
			store,
			number("Keep", "results to keep of each step of each profile (default 2)"),
			text("MaxSize", "keep at most this much, newest first, such as 20GB"),
			toggle("Yes", "really remove"),
			json,
		},
	},
	{
		Name: "store:check", Group: Maintain,
		Doc: "reads everything in the store and forgets what is damaged; the next build makes it again.",
		Flags: []Flag{
			store, json,
		},
	},
	{
		Name: "trust:list", Group: Look,
		Doc: "prints the certificates that are trusted, with their last day and where each comes from.",
		Flags: []Flag{
			profile, prefix, root, json,
		},
	},
	{
		Name: "trust:add", Group: Maintain,
		Doc: "adds CAs of your own beside what is trusted, for this and all later generations.",
		Flags: []Flag{
			cafiles.says("comma-separated files with CA certificates, PEM or DER"),
			profile, prefix, root, json,
		},
	},
	{
		Name: "trust:remove", Group: Maintain,
		Doc: "takes back one CA that was added.",
		Flags: []Flag{
			text("Subject", "its subject or common name, or how one of these begins"),
			text("SHA256", "its digest, or how that begins"),
			profile, prefix, root, json,
		},
	},
	{
		Name: "trust:check", Group: Look,
		Doc: "lists what is expired or expires soon. It exits with 1 when a CA that was added is " +
			"expired, or cert.pem was changed by hand.",
		Flags: []Flag{
			must(number("Days", "how far to look ahead (default 30)").otherwise("30"), atLeast(0),
				"such as -days=30", "-days=%d: less than nothing"),
			profile, prefix, root, json,
		},
	},
}
