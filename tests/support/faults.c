/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Faults for a service that knows nothing of them: preloaded (LD_PRELOAD), this stands before each function by which the
 * service and its libraries make a system call or take memory. What is to happen at which of them is in a file that the
 * test has mapped too ($FAULTS): so it begins when the test says so, and does not happen again after a restart. */

typedef enum Fault {
        FAULT_NONE,
        FAULT_KILL, /* SIGKILL, before the call */
        FAULT_FAIL, /* the call fails with that errno, and is not made */
} Fault;

typedef enum Class {
        CLASS_FILE       = 1 << 0, /* names in a file system, and what is written */
        CLASS_DESCRIPTOR = 1 << 1, /* makes one */
        CLASS_MEMBERSHIP = 1 << 2, /* of a packet socket */
        CLASS_MEMORY     = 1 << 3,
        CLASS_OTHER      = 1 << 4,
} Class;

/* tests/machine/faults.py writes the same. */
typedef struct Control {
        uint32_t fault;
        uint32_t classes; /* Class bits: which count */
        uint32_t at;      /* the how manieth, from 1 */
        int32_t error;
        uint32_t count;
        char name[36];    /* of the function that it hit */
        char after[36];   /* counting begins with the first call of that function; empty: at once */
        int64_t clock;    /* added to CLOCK_REALTIME, in seconds */
} Control;

static volatile Control *control;

__attribute__((constructor)) static void open_control(void) {
        const char *path = getenv("FAULTS");
        int fd = path ? (int) syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
        long address;

        if (fd < 0)
                return;
        address = syscall(SYS_mmap, NULL, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        syscall(SYS_close, fd);
        if (address > 0 || address < -4095)
                control = (Control *) address;
}

static bool is_after(const char *name) {
        for (unsigned i = 0; control->after[0] && i < sizeof(control->after); i++) {
                if (control->after[i] != name[i])
                        return false;
                if (!name[i])
                        break;
        }

        control->after[0] = '\0';
        return true;
}

/* Whether the call is to fail. */
static bool fails(const char *name, Class class) {
        Fault fault;

        if (!control || control->fault == FAULT_NONE || !is_after(name) || !(control->classes & class) ||
            ++control->count != control->at)
                return false;

        fault = control->fault;
        control->fault = FAULT_NONE;
        for (unsigned i = 0; i < sizeof(control->name) - 1 && (control->name[i] = name[i]); i++)
                ;
        if (fault == FAULT_KILL)
                syscall(SYS_kill, getpid(), SIGKILL);
        errno = control->error;
        return true;
}

#define STAND_BEFORE(class, failure, type, name, parameters, ...)               \
        type name parameters;                                                   \
        type name parameters {                                                  \
                static type (*real) parameters;                                 \
                                                                                \
                if (fails(#name, class))                                        \
                        return failure;                                         \
                if (!real)                                                      \
                        real = (type (*) parameters) dlsym(RTLD_NEXT, #name);   \
                return real(__VA_ARGS__);                                       \
        }

STAND_BEFORE(CLASS_FILE, -1, int, mkdirat, (int d, const char *p, mode_t m), d, p, m)
STAND_BEFORE(CLASS_FILE, -1, int, mkfifoat, (int d, const char *p, mode_t m), d, p, m)
STAND_BEFORE(CLASS_FILE, -1, int, renameat, (int a, const char *p, int b, const char *q), a, p, b, q)
STAND_BEFORE(CLASS_FILE, -1, int, unlinkat, (int d, const char *p, int f), d, p, f)
STAND_BEFORE(CLASS_FILE, -1, int, ftruncate, (int fd, off_t n), fd, n)
STAND_BEFORE(CLASS_FILE, -1, int, ftruncate64, (int fd, off64_t n), fd, n)
STAND_BEFORE(CLASS_FILE, errno, int, posix_fallocate64, (int fd, off64_t o, off64_t n), fd, o, n)
STAND_BEFORE(CLASS_FILE, -1, ssize_t, write, (int fd, const void *b, size_t n), fd, b, n)
STAND_BEFORE(CLASS_FILE, -1, ssize_t, pwrite64, (int fd, const void *b, size_t n, off64_t o), fd, b, n, o)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, socket, (int d, int t, int p), d, t, p)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, eventfd, (unsigned n, int f), n, f)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, pipe2, (int fds[2], int f), fds, f)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, timerfd_create, (int c, int f), c, f)
STAND_BEFORE(CLASS_MEMBERSHIP, -1, int, setsockopt, (int fd, int l, int o, const void *v, socklen_t n), fd, l, o, v, n)
STAND_BEFORE(CLASS_OTHER, -1, int, getsockopt, (int fd, int l, int o, void *v, socklen_t *n), fd, l, o, v, n)
STAND_BEFORE(CLASS_OTHER, -1, int, close, (int fd), fd)
STAND_BEFORE(CLASS_OTHER, -1, int, stat64, (const char *p, struct stat64 *s), p, s)
STAND_BEFORE(CLASS_OTHER, -1, int, fstat64, (int fd, struct stat64 *s), fd, s)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, read, (int fd, void *b, size_t n), fd, b, n)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, pread64, (int fd, void *b, size_t n, off64_t o), fd, b, n, o)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, sendmsg, (int fd, const struct msghdr *m, int f), fd, m, f)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, send, (int fd, const void *b, size_t n, int f), fd, b, n, f)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, sendto,
             (int fd, const void *b, size_t n, int f, const struct sockaddr *a, socklen_t l), fd, b, n, f, a, l)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, recvmsg, (int fd, struct msghdr *m, int f), fd, m, f)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, recvfrom,
             (int fd, void *b, size_t n, int f, struct sockaddr *a, socklen_t *l), fd, b, n, f, a, l)
STAND_BEFORE(CLASS_OTHER, -1, int, recvmmsg, (int fd, struct mmsghdr *m, unsigned n, int f, struct timespec *t), fd, m, n,
             f, t)
STAND_BEFORE(CLASS_OTHER, -1, int, poll, (struct pollfd * p, nfds_t n, int t), p, n, t)
STAND_BEFORE(CLASS_OTHER, -1, int, ppoll, (struct pollfd * p, nfds_t n, const struct timespec *t, const sigset_t *s), p, n,
             t, s)
STAND_BEFORE(CLASS_OTHER, -1, int, epoll_ctl, (int e, int o, int fd, struct epoll_event *v), e, o, fd, v)
STAND_BEFORE(CLASS_OTHER, -1, int, epoll_wait, (int e, struct epoll_event *v, int n, int t), e, v, n, t)
STAND_BEFORE(CLASS_OTHER, -1, int, timerfd_settime,
             (int fd, int f, const struct itimerspec *n, struct itimerspec *o), fd, f, n, o)
STAND_BEFORE(CLASS_MEMORY, MAP_FAILED, void *, mmap64, (void *a, size_t n, int p, int f, int fd, off64_t o), a, n, p, f, fd, o)
STAND_BEFORE(CLASS_OTHER, -1, int, munmap, (void *a, size_t n), a, n)
STAND_BEFORE(CLASS_OTHER, -1, int, madvise, (void *a, size_t n, int v), a, n, v)
STAND_BEFORE(CLASS_FILE, -1, int, faccessat, (int d, const char *p, int m, int f), d, p, m, f)
STAND_BEFORE(CLASS_FILE, NULL, struct dirent64 *, readdir64, (DIR * d), d)
STAND_BEFORE(CLASS_FILE, -1, ssize_t, readlinkat, (int d, const char *p, char *b, size_t n), d, p, b, n)
STAND_BEFORE(CLASS_FILE, -1, int, unlink, (const char *p), p)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, dup2, (int a, int b), a, b)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, epoll_create1, (int f), f)
STAND_BEFORE(CLASS_DESCRIPTOR, NULL, DIR *, fdopendir, (int fd), fd)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, memfd_create, (const char *s, unsigned f), s, f)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, signalfd, (int fd, const sigset_t *s, int f), fd, s, f)
STAND_BEFORE(CLASS_OTHER, -1, int, access, (const char *p, int m), p, m)
STAND_BEFORE(CLASS_OTHER, -1, int, bind, (int fd, const struct sockaddr *a, socklen_t l), fd, a, l)
STAND_BEFORE(CLASS_OTHER, -1, int, closedir, (DIR * d), d)
STAND_BEFORE(CLASS_OTHER, -1, int, connect, (int fd, const struct sockaddr *a, socklen_t l), fd, a, l)
STAND_BEFORE(CLASS_OTHER, -1, int, epoll_pwait2,
             (int e, struct epoll_event *v, int n, const struct timespec *t, const sigset_t *s), e, v, n, t, s)
STAND_BEFORE(CLASS_OTHER, -1, int, getrlimit64, (__rlimit_resource_t r, struct rlimit64 *l), r, l)
STAND_BEFORE(CLASS_OTHER, -1, int, getsockname, (int fd, struct sockaddr *a, socklen_t *l), fd, a, l)
STAND_BEFORE(CLASS_OTHER, -1, int, lstat64, (const char *p, struct stat64 *s), p, s)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, readv, (int fd, const struct iovec *v, int n), fd, v, n)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, recv, (int fd, void *b, size_t n, int f), fd, b, n, f)
STAND_BEFORE(CLASS_OTHER, -1, int, setrlimit64, (__rlimit_resource_t r, const struct rlimit64 *l), r, l)
STAND_BEFORE(CLASS_OTHER, SIG_ERR, __sighandler_t, signal, (int n, __sighandler_t f), n, f)
STAND_BEFORE(CLASS_OTHER, -1, int, sigprocmask, (int h, const sigset_t *s, sigset_t *o), h, s, o)
STAND_BEFORE(CLASS_OTHER, -1, ssize_t, writev, (int fd, const struct iovec *v, int n), fd, v, n)
STAND_BEFORE(CLASS_DESCRIPTOR, -1, int, socketpair, (int d, int t, int p, int fds[2]), d, t, p, fds)
STAND_BEFORE(CLASS_OTHER, -1, int, kill, (pid_t p, int n), p, n)
STAND_BEFORE(CLASS_OTHER, -1, pid_t, waitpid, (pid_t p, int *s, int o), p, s, o)
STAND_BEFORE(CLASS_OTHER, errno, int, posix_spawn,
             (pid_t * p, const char *f, const posix_spawn_file_actions_t *x, const posix_spawnattr_t *t, char *const a[],
              char *const e[]), p, f, x, t, a, e)

/* Those with more arguments in some cases only. */

#define STAND_BEFORE_OPEN(name, first, ...)                                     \
        int name(first, const char *path, int flags, ...);                      \
        int name(first, const char *path, int flags, ...) {                     \
                static int (*real)(first, const char *path, int flags, ...);    \
                mode_t mode = 0;                                                \
                va_list a;                                                      \
                                                                                \
                va_start(a, flags);                                             \
                if (flags & (O_CREAT | O_TMPFILE))                            \
                        mode = va_arg(a, mode_t);                               \
                va_end(a);                                                      \
                if (fails(#name, CLASS_FILE | CLASS_DESCRIPTOR))                \
                        return -1;                                              \
                if (!real)                                                      \
                        real = (int (*)(first, const char *, int, ...)) dlsym(RTLD_NEXT, #name); \
                return real(directory, path, flags, mode);                      \
        }

int open64(const char *path, int flags, ...) {
        static int (*real)(const char *path, int flags, ...);
        mode_t mode = 0;
        va_list a;

        va_start(a, flags);
        if (flags & (O_CREAT | O_TMPFILE))
                mode = va_arg(a, mode_t);
        va_end(a);
        if (fails("open64", CLASS_FILE | CLASS_DESCRIPTOR))
                return -1;
        if (!real)
                real = (int (*)(const char *, int, ...)) dlsym(RTLD_NEXT, "open64");
        return real(path, flags, mode);
}

STAND_BEFORE_OPEN(openat, int directory)
STAND_BEFORE_OPEN(openat64, int directory)

int fcntl64(int fd, int command, ...);
int fcntl64(int fd, int command, ...) {
        static int (*real)(int fd, int command, ...);
        va_list a;
        void *argument;

        va_start(a, command);
        argument = va_arg(a, void *);
        va_end(a);
        if (fails("fcntl64", command == F_DUPFD_CLOEXEC ? CLASS_DESCRIPTOR : CLASS_OTHER))
                return -1;
        if (!real)
                real = (int (*)(int, int, ...)) dlsym(RTLD_NEXT, "fcntl64");
        return real(fd, command, argument);
}

int ioctl(int fd, unsigned long request, ...);
int ioctl(int fd, unsigned long request, ...) {
        static int (*real)(int fd, unsigned long request, ...);
        va_list a;
        void *argument;

        va_start(a, request);
        argument = va_arg(a, void *);
        va_end(a);
        if (fails("ioctl", CLASS_OTHER))
                return -1;
        if (!real)
                real = (int (*)(int, unsigned long, ...)) dlsym(RTLD_NEXT, "ioctl");
        return real(fd, request, argument);
}

void *mremap(void *old, size_t size, size_t n, int flags, ...) {
        static void *(*real)(void *old, size_t size, size_t n, int flags, ...);
        va_list a;
        void *new;

        va_start(a, flags);
        new = va_arg(a, void *);
        va_end(a);
        if (fails("mremap", CLASS_MEMORY))
                return MAP_FAILED;
        if (!real)
                real = (void *(*)(void *, size_t, size_t, int, ...)) dlsym(RTLD_NEXT, "mremap");
        return real(old, size, n, flags, new);
}

/* glibc has these under another name, too, so that looking them up needs no memory. */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n) {
        return fails("malloc", CLASS_MEMORY) ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size) {
        return fails("calloc", CLASS_MEMORY) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n) {
        return fails("realloc", CLASS_MEMORY) ? NULL : __libc_realloc(p, n);
}

void *reallocarray(void *p, size_t n, size_t size) {
        size_t total;

        if (__builtin_mul_overflow(n, size, &total)) {
                errno = ENOMEM;
                return NULL;
        }
        return realloc(p, total);
}

int clock_gettime(clockid_t clock, struct timespec *t) {
        int r = (int) syscall(SYS_clock_gettime, clock, t);

        if (r == 0 && clock == CLOCK_REALTIME && control)
                t->tv_sec += control->clock;
        return r;
}
