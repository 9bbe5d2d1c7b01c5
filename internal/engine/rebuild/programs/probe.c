/* Prints, one "name value" a line, everything that a build could notice of the world that it runs in, as this process sees it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value ? value : "(unset)";
}

/* Which of libc's implementations the processor's features chose: their places in libc. */
static void features(void)
{
	static const char *const names[] = {"memcpy", "memmove", "memset", "strlen", "strchr", "memchr", "strcmp"};
	printf("cpufeatures");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		Dl_info info;
		void *at = dlsym(RTLD_DEFAULT, names[i]);
		if (at != NULL && dladdr(at, &info))
			printf(" %s+%lx", names[i], (unsigned long)((char *)at - (char *)info.dli_fbase));
	}
	printf("\n");
}

static void order(const char *path)
{
	DIR *dir = opendir(path);
	printf("fileorder");
	for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
		printf(" %s", e->d_name);
	printf("\n");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	char cwd[4096] = "?";
	struct utsname u;
	struct rlimit stack;
	mode_t mask = umask(0);
	time_t now = time(NULL);
	struct tm *t = localtime(&now);
	umask(mask);
	if (getcwd(cwd, sizeof cwd) == NULL || uname(&u) != 0 || getrlimit(RLIMIT_STACK, &stack) != 0)
		return 1;
	printf("path %s\n", cwd);
	printf("time %ld days\n", (long)(now / 86400));
	printf("timezone %s%+ld\n", t->tm_zone, t->tm_gmtoff / 60);
	printf("umask %04o\n", (unsigned)mask);
	printf("environment CFLAGS=%s PYTHONHASHSEED=%s PERL5LIB=%s\n", variable("CFLAGS"), variable("PYTHONHASHSEED"), variable("PERL5LIB"));
	printf("home %s\n", variable("HOME"));
	printf("user %d:%d\n", (int)getuid(), (int)getgid());
	printf("cpus %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
	printf("host %s\n", u.nodename);
	printf("domain %s\n", u.domainname);
	printf("kernel %s\n", u.release);
	printf("aslr %s\n", personality(0xffffffff) & ADDR_NO_RANDOMIZE ? "off" : "on");
	if (stack.rlim_cur == RLIM_INFINITY)
		printf("stack unlimited\n");
	else
		printf("stack %lu\n", (unsigned long)stack.rlim_cur);
	printf("priority %d\n", getpriority(PRIO_PROCESS, 0));
	printf("execpath %s\n", variable("PATH"));
	const char *locale = setlocale(LC_ALL, "");
	printf("locale %s %s LC_ALL=%s\n", locale ? locale : "?", nl_langinfo(CODESET), variable("LC_ALL"));
	order(argv[1]);
	features();
	return 0;
}
