package usage

// auditing is what finds other TLS stacks.
var auditing = []Target{
	{
		Name: "audit:env", Group: Look,
		Doc: "lists every TLS stack in a virtual environment, prefix or other folder, whether the " +
			"floor is compiled into it, and what to use instead. It runs nothing that it finds, and " +
			"exits with 3 when one is below the floor, with 9 when it cannot be told.",
		Arguments: []Flag{text("Path", "")},
		Flags: []Flag{
			toggle("Probe", "run what it knows how to drive too (PyOpenSSL, pycurl, psycopg2, grpc), "+
				"in a sandbox and not as root, and see at which versions it connects"),
			sarif, json,
		},
	},
	{
		Name: "audit:pid", Group: Look,
		Doc:       "does the same for the files that a running process has loaded.",
		Arguments: []Flag{number("PID", "")},
		Flags: []Flag{
			sarif, json,
		},
	},
	{
		Name: "audit:pins", Group: Look,
		Doc: "holds every pinned version against a folder of advisories, and says which are " +
			"affected, by what, and where it is fixed. It asks no network, and exits with 8 when one " +
			"is of the chosen severity, with 9 when it cannot be told.",
		Flags: []Flag{
			osv.says("folder of advisories in OSV format, such as those of osv.dev, or an all.zip of it"),
			text("Severity", "exit with 8 from this on: none, low (default), medium, high or "+
				"critical; what nobody has rated counts as worse").
				otherwise("low").likely("none", "low", "medium", "high", "critical"),
			profile.says("only what this profile pins (default: all profiles)"),
			ours, json,
		},
	},
}
