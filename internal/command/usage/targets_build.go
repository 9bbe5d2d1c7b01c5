package usage

// building is what makes a toolchain.
var building = []Target{
	{
		Name: "build", Group: Build,
		Doc: "fetches, checks, builds, installs and proves a toolchain.",
		Flags: []Flag{
			profile.says("what to build: min-tls1_2 (default), min-tls1_3, lts-3.0, legacy, guide, " +
				"or one of -recipes"),
			prefix.says("base folder of the two prefixes, compiled in (default /opt)"),
			root.says("stage into this image's root folder; the compiled-in prefixes stay"),
			jobs, mirror,
			ours.says("comma-separated folders with recipes, patches, keys and profiles of your own"),
			store.says("folder that keeps sources and results (root: /var/cache/tlsfloor, others: " +
				"the user's cache)"),
			optimize,
			sysroot.says("build against the libc of this older suite, such as bullseye, so that the " +
				"result runs there too (default: this host's)"),
			with.says("comma-separated optional sets: tests (CPython's test suite), static (a " +
				"libpython to link into programs), or of -recipes"),
			sandbox,
			deps.says("missing host tools: install them (default, as root) or only check"),
			trust.says("what OpenSSL trusts by default: host (its distribution's bundle; Mozilla's " +
				"list where it has none), mozilla or both (default: as before, else host)"),
			cafiles,
			check.says("what to hold an installed tree against: index (default) or full, which reads " +
				"all and proves again"),
			offline,
			text("Trace", "write what ran when to this file, for chrome://tracing or ui.perfetto.dev"),
			adopt,
			alloweol.says("build a profile although a component is past its end of life"),
			json.says("events and result as JSON"),
			quiet,
			timeout.says("stop after this time, such as 45m"),
		},
	},
	{
		Name: "plan", Group: Build,
		Doc: "prints the steps of a build, their keys, and which of them the store has; it builds " +
			"nothing.",
		Flags: []Flag{
			profile,
			prefix.says("base folder of the two prefixes (default /opt)"),
			ours, store, optimize, sysroot, with, sandbox,
			explain.says("print what the key of this step is made of, and why each flag is given"),
			text("Why", "print what changed since this step was last built"),
			json,
		},
	},
	{
		Name: "fetch", Group: Build,
		Doc: "brings the sources of a profile into the store, checked, and builds nothing.",
		Flags: []Flag{
			profile,
			mirror.says("comma-separated folders and URLs to look in first"),
			ours, store, trust, sysroot, with, offline,
			json.says("events and result as JSON"),
			quiet, timeout,
		},
	},
	{
		Name: "vendor", Group: Build,
		Doc: "writes all sources of a profile, their signatures and keys as one file, from which " +
			"-mirror builds without a network.",
		Flags: []Flag{
			o.says("the file to write, such as sources.tar"),
			profile,
			mirror.says("comma-separated folders and URLs to look in first"),
			ours, store, sysroot, with, offline,
			json.says("events and result as JSON"),
			quiet, timeout,
		},
	},
}
