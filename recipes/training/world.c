/* The world of a training, as a library that is loaded before libc: everything that differs between two runs, two file systems,
 * two kernels or two machines, and that the interpreter could count by, is made constant.
 *
 *   addresses   memory comes from two fixed regions, and main runs on a stack in a third: the interpreter hashes by address, the
 *               compiler's instrumentation counts where blocks of memory lie, and address randomisation, the stack limit, the
 *               kernel's layout and other libraries would move them
 *   environment the training's own variables and no others: their number and size alone changes what is counted
 *   files       device, inode, times, owner and blocks of stat(2) are constant, folders are read in order of name
 *   clocks      stand still but for a microsecond a call
 *   the rest    random bytes are zeros, the process id is constant
 *
 * The program itself has to be linked to a fixed address (-no-pie). One thread only. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* The regions lie below 512 GiB, where every 64-bit Linux has user space, and above a program that is linked to a fixed address
 * and the heap after it. */
static uintptr_t heap = 0x2000000000, heap_end = 0x2000000000, maps = 0x3000000000;

static const char why[] = "training: memory at a fixed address is not to be had\n";

static void *fixed(uintptr_t at, size_t size, int protection)
{
	void *got = (void *)syscall(SYS_mmap, at, size, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0L);
	if (got == (void *)at)
		return got;
	write(2, why, sizeof why - 1);
	_exit(70);
}

void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (at != NULL || !(flags & MAP_ANONYMOUS))
		return (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);
	void *got = fixed(maps, size, protection);
	maps += (size + 0xfffff) & ~(uintptr_t)0xfffff;
	return got;
}

void *mmap64(void *, size_t, int, int, int, off_t) __attribute__((alias("mmap")));

/* An allocator without surprises: blocks of a class are handed out again last in, first out; nothing is ever merged. A block
 * has its class in the 16 bytes before it. Classes are multiples of 16 bytes up to 1 KiB, then powers of two. */
enum { CLASSES = 64 + 48, HEAD = 16 };
static void *unused[CLASSES];

static int class_of(size_t size)
{
	if (size <= 1024)
		return size ? (int)((size - 1) / 16) : 0;
	return 64 + (64 - __builtin_clzll(size - 1)) - 11;
}

static size_t size_of(int class) { return class < 64 ? (size_t)(class + 1) * 16 : (size_t)1 << (class - 64 + 11); }

static void *carve(size_t size)
{
	uintptr_t at = heap;
	while (heap_end < at + size) {
		size_t more = (at + size - heap_end + 0x1ffffff) & ~(size_t)0x1ffffff;
		fixed(heap_end, more, PROT_READ | PROT_WRITE);
		heap_end += more;
	}
	heap += size;
	return (void *)at;
}

void *malloc(size_t size)
{
	if (size > (size_t)1 << 40) {
		errno = ENOMEM;
		return NULL;
	}
	int class = class_of(size);
	void **block = unused[class];
	if (block != NULL) {
		unused[class] = *block;
		return block;
	}
	char *at = carve(HEAD + size_of(class));
	*(size_t *)at = (size_t)class;
	return at + HEAD;
}

static int class_at(void *block) { return (int)*(size_t *)((char *)block - HEAD); }

void free(void *block)
{
	if (block == NULL)
		return;
	int class = class_at(block);
	if (class >= CLASSES)
		return; /* aligned: never handed out again */
	*(void **)block = unused[class];
	unused[class] = block;
}

void *calloc(size_t n, size_t size)
{
	size_t all;
	if (__builtin_mul_overflow(n, size, &all)) {
		errno = ENOMEM;
		return NULL;
	}
	void *block = malloc(all);
	return block ? memset(block, 0, all) : NULL;
}

size_t malloc_usable_size(void *block)
{
	if (block == NULL)
		return 0;
	size_t class = *(size_t *)((char *)block - HEAD);
	return class < CLASSES ? size_of((int)class) : class - CLASSES;
}

void *realloc(void *old, size_t size)
{
	size_t had = malloc_usable_size(old);
	if (old != NULL && size <= had && size > had / 4)
		return old;
	void *block = malloc(size);
	if (block != NULL && old != NULL) {
		memcpy(block, old, had < size ? had : size);
		free(old);
	}
	return block;
}

void *memalign(size_t alignment, size_t size)
{
	uintptr_t at = (uintptr_t)carve(HEAD + alignment + size);
	heap = (heap + 15) & ~(uintptr_t)15;
	at = (at + HEAD + alignment - 1) & ~(uintptr_t)(alignment - 1);
	*(size_t *)(at - HEAD) = CLASSES + size;
	return (void *)at;
}

void *aligned_alloc(size_t, size_t) __attribute__((alias("memalign")));

int posix_memalign(void **to, size_t alignment, size_t size)
{
	*to = memalign(alignment, size);
	return 0;
}

/* Stack, arguments and environment: the C library is given another main, which goes on with the program's own one on a stack
 * of ours, with copies at constant places of the arguments and of those variables that a training has. All others stay unseen. */

typedef int main_function(int, char **, char **);

static const char *const variables[] = {"GCOV_PREFIX=", "LC_ALL=", "PYTHONHASHSEED="};
enum { VARIABLES = sizeof variables / sizeof *variables, ARGUMENTS = 16, TEXT = 1 << 16 };

static struct {
	main_function *main;
	int argc, status;
	char **argv, **environment;
	ucontext_t before, on_stack;
} program;

/* The copies: the lists first, then their strings. */
static struct {
	char *arguments[ARGUMENTS], *environment[VARIABLES + 1], text[TEXT];
} *copies;

static char *copy(const char *text)
{
	static size_t used;
	size_t size = strlen(text) + 1;
	if (used + size > TEXT)
		_exit(70);
	char *at = memcpy(copies->text + used, text, size);
	used += size;
	return at;
}

static void copy_all(int argc, char **argv, char **environment)
{
	copies = fixed(0x1e00000000, sizeof *copies, PROT_READ | PROT_WRITE);
	if (argc >= ARGUMENTS)
		_exit(70);
	for (int i = 0; i < argc; i++)
		copies->arguments[i] = copy(argv[i]);
	int n = 0;
	for (int i = 0; i < VARIABLES; i++)
		for (char **e = environment; *e != NULL; e++)
			if (strncmp(*e, variables[i], strlen(variables[i])) == 0) {
				copies->environment[n++] = copy(*e);
				break;
			}
	program.argv = copies->arguments;
	program.environment = environ = copies->environment;
}

static void run_main(void) { program.status = program.main(program.argc, program.argv, program.environment); }

static int main_on_stack(int argc, char **argv, char **environment)
{
	const size_t size = 64 << 20;
	(void)argc, (void)argv, (void)environment;
	getcontext(&program.on_stack);
	program.on_stack.uc_stack.ss_sp = fixed(0x1f00000000, size, PROT_READ | PROT_WRITE);
	program.on_stack.uc_stack.ss_size = size;
	program.on_stack.uc_link = &program.before;
	makecontext(&program.on_stack, run_main, 0);
	swapcontext(&program.before, &program.on_stack);
	return program.status;
}

int __libc_start_main(main_function *main, int argc, char **argv, void (*init)(void), void (*fini)(void), void (*rtld)(void), void *end)
{
	int (*start)(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
	start = (int (*)(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *))dlsym(RTLD_NEXT, "__libc_start_main");
	program.main = main;
	program.argc = argc;
	copy_all(argc, argv, argv + argc + 1); /* here, as mimalloc's constructor reads the environment before main */
	return start(main_on_stack, argc, argv, init, fini, rtld, end);
}

/* stat */

static int constant(int failed, struct stat *st)
{
	if (failed)
		return -1;
	st->st_dev = st->st_ino = st->st_nlink = 1;
	st->st_uid = st->st_gid = 1000;
	st->st_blksize = 4096;
	st->st_blocks = (st->st_size + 511) / 512;
	st->st_atim = st->st_mtim = st->st_ctim = (struct timespec){1000000000, 0};
	return 0;
}

int fstatat(int dir, const char *path, struct stat *st, int flags)
{
	return constant(syscall(SYS_newfstatat, dir, path, st, flags) != 0, st);
}

int stat(const char *path, struct stat *st) { return fstatat(AT_FDCWD, path, st, 0); }
int lstat(const char *path, struct stat *st) { return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW); }
int fstat(int fd, struct stat *st) { return constant(syscall(SYS_fstat, fd, st) != 0, st); }

#define SAME(new, old) __attribute__((alias(#old)))
int fstatat64(int, const char *, struct stat64 *, int) SAME(fstatat64, fstatat);
int stat64(const char *, struct stat64 *) SAME(stat64, stat);
int lstat64(const char *, struct stat64 *) SAME(lstat64, lstat);
int fstat64(int, struct stat64 *) SAME(fstat64, fstat);

/* What programs call that were linked with a glibc before 2.33. */
int __xstat(int version, const char *path, struct stat *st) { (void)version; return stat(path, st); }
int __lxstat(int version, const char *path, struct stat *st) { (void)version; return lstat(path, st); }
int __fxstat(int version, int fd, struct stat *st) { (void)version; return fstat(fd, st); }
int __fxstatat(int version, int dir, const char *path, struct stat *st, int flags) { (void)version; return fstatat(dir, path, st, flags); }
int __xstat64(int, const char *, struct stat64 *) SAME(__xstat64, __xstat);
int __lxstat64(int, const char *, struct stat64 *) SAME(__lxstat64, __lxstat);
int __fxstat64(int, int, struct stat64 *) SAME(__fxstat64, __fxstat);
int __fxstatat64(int, int, const char *, struct stat64 *, int) SAME(__fxstatat64, __fxstatat);

/* Folders, read as a whole and sorted. */

typedef struct {
	int fd;
	size_t count, next;
	struct dirent *entries;
} Folder;

static void read_folder(Folder *f)
{
	struct { uint64_t ino; int64_t off; unsigned short len; unsigned char type; char name[]; } *e;
	static char buffer[1 << 16] __attribute__((aligned(8)));
	long n;
	while ((n = syscall(SYS_getdents64, f->fd, buffer, sizeof buffer)) > 0)
		for (char *p = buffer; p < buffer + n; p += e->len) {
			e = (void *)p;
			f->entries = realloc(f->entries, (f->count + 1) * sizeof *f->entries);
			size_t at = f->count++;
			for (; at > 0 && strcmp(f->entries[at - 1].d_name, e->name) > 0; at--)
				f->entries[at] = f->entries[at - 1];
			f->entries[at] = (struct dirent){.d_ino = 1, .d_off = 1, .d_reclen = sizeof *f->entries, .d_type = DT_UNKNOWN};
			strncpy(f->entries[at].d_name, e->name, sizeof f->entries[at].d_name - 1);
		}
}

DIR *fdopendir(int fd)
{
	Folder *f = calloc(1, sizeof *f);
	f->fd = fd;
	read_folder(f);
	return (DIR *)f;
}

DIR *opendir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? NULL : fdopendir(fd);
}

struct dirent *readdir(DIR *d)
{
	Folder *f = (Folder *)d;
	return f->next < f->count ? &f->entries[f->next++] : NULL;
}

struct dirent64 *readdir64(DIR *) SAME(readdir64, readdir);

void rewinddir(DIR *d) { ((Folder *)d)->next = 0; }
int dirfd(DIR *d) { return ((Folder *)d)->fd; }

int closedir(DIR *d)
{
	Folder *f = (Folder *)d;
	int failed = close(f->fd);
	free(f->entries);
	free(f);
	return failed;
}

/* Clocks, random bytes, the process. */

static struct timespec now(void)
{
	static long calls;
	calls++;
	return (struct timespec){1000000000 + calls / 1000000, calls % 1000000 * 1000};
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = now();
	return 0;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
	(void)zone;
	struct timespec n = now();
	*t = (struct timeval){n.tv_sec, n.tv_nsec / 1000};
	return 0;
}

time_t time(time_t *t)
{
	time_t n = now().tv_sec;
	if (t != NULL)
		*t = n;
	return n;
}

clock_t clock(void) { return now().tv_nsec / 1000; }

ssize_t getrandom(void *to, size_t n, unsigned flags)
{
	(void)flags;
	memset(to, 0, n);
	return (ssize_t)n;
}

int getentropy(void *to, size_t n)
{
	memset(to, 0, n);
	return 0;
}

pid_t getpid(void) { return 2; }
