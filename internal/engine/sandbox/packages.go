package sandbox

import (
	"slices"
	"strings"
)

// managers are the package managers that PackagesFor knows, in the order in which they are looked
// for: a host that has dnf has yum as another name of it.
var managers = []string{"apt-get", "dnf", "yum", "zypper"}

// Manager returns the host's package manager: apt-get, dnf, yum, zypper, or "".
func (h Host) Manager() string {
	for _, name := range managers {
		if h.Find(name) != "" {
			return name
		}
	}
	return ""
}

// packages says which package brings a need, where its name is not the need's own.
var packages = map[Need]map[string]string{
	"cc":     all("gcc"),
	NeedLibc: {"apt-get": "libc6-dev", "dnf": "glibc-devel kernel-headers", "yum": "glibc-devel kernel-headers", "zypper": "glibc-devel linux-glibc-devel"},
	"as":     all("binutils"), "ld": all("binutils"), "ar": all("binutils"), "ranlib": all("binutils"),
	"perl": {"apt-get": "perl", "dnf": "perl-interpreter", "yum": "perl", "zypper": "perl"},
	"sh":   {"apt-get": "dash", "dnf": "bash", "yum": "bash", "zypper": "bash-sh"},
	"awk":  {"apt-get": "mawk", "dnf": "gawk", "yum": "gawk", "zypper": "gawk"},
	"cat":  all("coreutils"),
	"find": all("findutils"),
	"cmp":  all("diffutils"),
}

func all(name string) map[string]string {
	m := map[string]string{}
	for _, manager := range managers {
		m[manager] = name
	}
	return m
}

// PackagesFor returns the packages of the manager that bring what is missing, each once, in a
// constant order. It returns nil for a manager that it does not know.
//
// Red Hat's distributions split Perl's modules differently in each release; there a module is named
// by what its package provides, perl(IPC::Cmd), which dnf and yum resolve in all of them.
func PackagesFor(manager string, missing []Need) []string {
	if !slices.Contains(managers, manager) {
		return nil
	}
	var list []string
	for _, n := range missing {
		module, isModule := strings.CutPrefix(string(n), "perl:")
		names := packages[n][manager]
		switch {
		case isModule && (manager == "dnf" || manager == "yum"):
			names = "perl(" + module + ")"
		case isModule:
			names = "perl" // perl-base alone lacks most modules; the package perl has them all
		case names == "":
			names = string(n)
		}
		list = append(list, strings.Fields(names)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// installHint is the one command that brings what is missing.
func (h Host) installHint(missing []Need) string {
	manager := h.Manager()
	list := PackagesFor(manager, missing)
	if list == nil {
		return "install a C compiler with libc's headers, binutils, make and perl with its core modules"
	}
	for i, name := range list {
		if strings.Contains(name, "(") {
			list[i] = "'" + name + "'"
		}
	}
	install := " install -y "
	if manager == "zypper" {
		install = " --non-interactive install "
	}
	return "run as root: " + manager + install + strings.Join(list, " ")
}
