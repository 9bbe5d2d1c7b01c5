/* What differs between two hosts and what a sandbox cannot make constant, changed by a library that is loaded before libc. Each change
 * is asked for by an environment variable:
 *
 *   TLSFLOOR_VARY_CLOCK=<seconds>   the clock of the day is ahead by so much
 *   TLSFLOOR_VARY_CPUS=<number>     so many processors
 *   TLSFLOOR_VARY_ORDER=1           folders are read backwards
 *   TLSFLOOR_VARY_KERNEL=<release>  the kernel's release */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static struct {
	long clock, cpus, order;
	const char *kernel;
} varied;

static const char *value(char **environment, const char *name)
{
	size_t n = strlen(name);
	for (; *environment != NULL; environment++)
		if (strncmp(*environment, name, n) == 0 && (*environment)[n] == '=')
			return *environment + n + 1;
	return NULL;
}

static long number(char **environment, const char *name)
{
	const char *text = value(environment, name);
	return text ? atol(text) : 0;
}

/* Once, and of the environment that the process began with: a program may have given itself another one. */
__attribute__((constructor)) static void ask(int argc, char **argv, char **environment)
{
	(void)argc, (void)argv;
	varied.clock = number(environment, "TLSFLOOR_VARY_CLOCK");
	varied.cpus = number(environment, "TLSFLOOR_VARY_CPUS");
	varied.order = number(environment, "TLSFLOOR_VARY_ORDER");
	varied.kernel = value(environment, "TLSFLOOR_VARY_KERNEL");
}

/* Clock. Only the clock of the day is changed: time that is measured stays right. */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	if (syscall(SYS_clock_gettime, clock, t) != 0)
		return -1;
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
		t->tv_sec += varied.clock;
	return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	(void)zone;
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	*t = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *t)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t != NULL)
		*t = now.tv_sec;
	return now.tv_sec;
}

/* Processors. */

int sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	long cpus = varied.cpus;
	if (cpus == 0) {
		long n = syscall(SYS_sched_getaffinity, pid, size, set);
		if (n < 0)
			return -1;
		memset((char *)set + n, 0, size - (size_t)n);
		return 0;
	}
	memset(set, 0, size);
	for (long i = 0; i < cpus && i < (long)size * 8; i++)
		CPU_SET_S((int)i, size, set);
	return 0;
}

long sysconf(int name)
{
	static long (*real)(int);
	long cpus = varied.cpus;
	if (cpus && (name == _SC_NPROCESSORS_ONLN || name == _SC_NPROCESSORS_CONF))
		return cpus;
	if (real == NULL)
		real = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
	return real(name);
}

int get_nprocs(void) { return (int)sysconf(_SC_NPROCESSORS_ONLN); }
int get_nprocs_conf(void) { return (int)sysconf(_SC_NPROCESSORS_CONF); }

/* Order of files. A folder's entries are kept beside its DIR, and read from the last to the first. */

struct folder {
	DIR *dir;
	struct dirent *entries;
	size_t left;
	struct folder *next;
};

static struct folder *folders;

static struct dirent *next_of(DIR *dir)
{
	static struct dirent *(*real)(DIR *);
	if (real == NULL)
		real = (struct dirent *(*)(DIR *))dlsym(RTLD_NEXT, "readdir");
	return real(dir);
}

static struct folder *folder_of(DIR *dir)
{
	struct folder *f;
	for (f = folders; f != NULL; f = f->next)
		if (f->dir == dir)
			return f;
	f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	f->dir = dir;
	for (struct dirent *e; (e = next_of(dir)) != NULL;) {
		struct dirent *more = realloc(f->entries, (f->left + 1) * sizeof *more);
		if (more == NULL)
			break;
		f->entries = more;
		memcpy(&more[f->left++], e, e->d_reclen < sizeof *e ? e->d_reclen : sizeof *e);
	}
	f->next = folders;
	folders = f;
	return f;
}

static void forget(DIR *dir)
{
	for (struct folder **at = &folders; *at != NULL; at = &(*at)->next)
		if ((*at)->dir == dir) {
			struct folder *f = *at;
			*at = f->next;
			free(f->entries);
			free(f);
			return;
		}
}

struct dirent *readdir(DIR *dir)
{
	if (!varied.order)
		return next_of(dir);
	struct folder *f = folder_of(dir);
	return f != NULL && f->left > 0 ? &f->entries[--f->left] : NULL;
}

struct dirent64 *readdir64(DIR *) __attribute__((alias("readdir")));

void rewinddir(DIR *dir)
{
	static void (*real)(DIR *);
	if (real == NULL)
		real = (void (*)(DIR *))dlsym(RTLD_NEXT, "rewinddir");
	forget(dir);
	real(dir);
}

int closedir(DIR *dir)
{
	static int (*real)(DIR *);
	if (real == NULL)
		real = (int (*)(DIR *))dlsym(RTLD_NEXT, "closedir");
	forget(dir);
	return real(dir);
}

/* Kernel. */

int uname(struct utsname *u)
{
	if (syscall(SYS_uname, u) != 0)
		return -1;
	if (varied.kernel != NULL) {
		strncpy(u->release, varied.kernel, sizeof u->release - 1);
		strncpy(u->version, "#1 varied", sizeof u->version - 1);
	}
	return 0;
}
