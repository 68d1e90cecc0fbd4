/*
 * Fails, cuts, delays or ends one call among those that touch a directory; for LD_PRELOAD.
 *
 *   SLUICE_FAULT_DIR   absolute path: calls on it, on paths below it and on descriptors opened there are counted, from 1
 *   SLUICE_FAULT_MODE  ENOSPC, EDQUOT, EIO, EINTR: the call fails (a close closes all the same)
 *                      short: a read or write carries half of its bytes; kill: SIGKILL, for a write after half of its bytes
 *                      delay: 300 ms go by before the call; none
 *   SLUICE_FAULT_AT    number of the call
 *   SLUICE_FAULT_LAST  number of the last call, if more than one is meant
 *   SLUICE_FAULT_LOG   file that gets a line for each call, "NUMBER NAME PATH", before it is made
 *
 * ffi-rs finds libc's functions in the handle of libc.so.6, where nothing of this file is found; it is given the handle
 * of this file instead, behind which libc comes next.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DESCRIPTORS 65536
#define NEXT(name) ((__typeof__(&name))next(#name))

enum mode { NONE, FAIL, SHORT, KILL, DELAY };

static atomic_long calls;
static atomic_bool tracked[DESCRIPTORS];
static const char *directory;
static size_t directory_length;
static enum mode mode;
static int error;
static long first, last;
static int log_fd = -1;
static long (*real_syscall)(long, ...);

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

static const struct {
  const char *name;
  int value;
} errors[] = {{"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EIO", EIO}, {"EINTR", EINTR}};

__attribute__((constructor)) static void start(void) {
  real_syscall = (long (*)(long, ...))next("syscall");
  directory = getenv("SLUICE_FAULT_DIR");
  directory_length = directory == NULL ? 0 : strlen(directory);
  const char *wanted = getenv("SLUICE_FAULT_MODE"), *at = getenv("SLUICE_FAULT_AT"), *end = getenv("SLUICE_FAULT_LAST");
  if (wanted == NULL) wanted = "none";
  mode = strcmp(wanted, "short") == 0 ? SHORT : strcmp(wanted, "kill") == 0 ? KILL : strcmp(wanted, "delay") == 0 ? DELAY : NONE;
  for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
    if (strcmp(wanted, errors[i].name) != 0) continue;
    mode = FAIL;
    error = errors[i].value;
  }
  first = at == NULL ? 0 : atol(at);
  last = end == NULL ? first : atol(end);
  const char *log = getenv("SLUICE_FAULT_LOG");
  if (log != NULL) log_fd = (int)real_syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

static int below(const char *path) {
  return directory != NULL && path != NULL && strncmp(path, directory, directory_length) == 0 &&
         (path[directory_length] == '/' || path[directory_length] == '\0');
}

static int is_tracked(int fd) { return fd >= 0 && fd < DESCRIPTORS && tracked[fd]; }

static void track(int fd, int value) {
  if (fd >= 0 && fd < DESCRIPTORS) tracked[fd] = value;
}

static void end_process(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

/* Counts a call; gives what is to happen to it, with errno set for FAIL. */
static enum mode meet(const char *name, const char *path, int carries_bytes) {
  long number = ++calls;
  if (log_fd >= 0) {
    char line[4400];
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, name, path);
    real_syscall(SYS_write, log_fd, line, (size_t)length);
  }
  if (number < first || number > last || first == 0) return NONE;
  if (mode == DELAY) nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
  if (mode == KILL && !carries_bytes) end_process();
  if (mode == FAIL) errno = error;
  return mode;
}

static enum mode meet_fd(const char *name, int fd, int carries_bytes) {
  char link[32], path[4096];
  ssize_t length = -1;
  if (log_fd >= 0) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = real_syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  }
  path[length < 0 ? 0 : length] = '\0';
  return meet(name, path, carries_bytes);
}

/* Signals do not interrupt reads of files (signal(7)). */
static enum mode meet_read(const char *name, int fd) {
  enum mode what = meet_fd(name, fd, 0);
  return what == FAIL && error == EINTR ? NONE : what;
}

#define PATH_CALL(name, parameters, path, arguments)                                                                   \
  int name parameters {                                                                                                \
    if (below(path) && meet(#name, path, 0) == FAIL) return -1;                                                         \
    return NEXT(name) arguments;                                                                                       \
  }

PATH_CALL(access, (const char *path, int how), path, (path, how))
PATH_CALL(mkdir, (const char *path, mode_t permissions), path, (path, permissions))
PATH_CALL(rmdir, (const char *path), path, (path))
PATH_CALL(unlink, (const char *path), path, (path))
PATH_CALL(rename, (const char *from, const char *to), to, (from, to))
PATH_CALL(link, (const char *from, const char *to), to, (from, to))
PATH_CALL(symlink, (const char *target, const char *path), path, (target, path))

ssize_t readlink(const char *path, char *buffer, size_t size) {
  if (below(path) && meet("readlink", path, 0) == FAIL) return -1;
  return NEXT(readlink)(path, buffer, size);
}

#define SCANDIR(name, entry)                                                                                           \
  int name(const char *path, struct entry ***names, int (*filter)(const struct entry *),                               \
           int (*compare)(const struct entry **, const struct entry **)) {                                             \
    if (below(path) && meet("scandir", path, 0) == FAIL) return -1;                                                     \
    return NEXT(name)(path, names, filter, compare);                                                                   \
  }
SCANDIR(scandir, dirent)
SCANDIR(scandir64, dirent64)

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                         \
    va_list rest;                                                                                                      \
    va_start(rest, flags);                                                                                             \
    mode_t permissions = va_arg(rest, mode_t);                                                                         \
    va_end(rest);                                                                                                      \
    int inside = below(path);                                                                                          \
    if (inside && meet("open", path, 0) == FAIL) return -1;                                                             \
    int fd = NEXT(name)(path, flags, permissions);                                                                     \
    track(fd, inside);                                                                                                 \
    return fd;                                                                                                         \
  }
OPEN(open)
OPEN(open64)

/* The kernel closes a descriptor whatever close() then tells. */
int close(int fd) {
  enum mode what = is_tracked(fd) ? meet_fd("close", fd, 0) : NONE;
  int meant = errno;
  track(fd, 0);
  int result = (int)real_syscall(SYS_close, fd);
  if (what != FAIL) return result;
  errno = meant;
  return -1;
}

#define FD_CALL(name, parameters, fd, arguments)                                                                       \
  int name parameters {                                                                                                \
    if (is_tracked(fd) && meet_fd(#name, fd, 0) == FAIL) return -1;                                                     \
    return NEXT(name) arguments;                                                                                       \
  }

FD_CALL(fsync, (int fd), fd, (fd))
FD_CALL(fdatasync, (int fd), fd, (fd))
FD_CALL(syncfs, (int fd), fd, (fd))
FD_CALL(fchmod, (int fd, mode_t permissions), fd, (fd, permissions))
FD_CALL(flock, (int fd, int operation), fd, (fd, operation))
FD_CALL(ioctl, (int fd, unsigned long request, void *argument), fd, (fd, request, argument))
FD_CALL(ftruncate, (int fd, off_t length), fd, (fd, length))
FD_CALL(ftruncate64, (int fd, off64_t length), fd, (fd, length))

#define READ(name, parameters, arguments, halved)                                                                      \
  ssize_t name parameters {                                                                                            \
    enum mode what = is_tracked(fd) ? meet_read(#name, fd) : NONE;                                                      \
    if (what == FAIL) return -1;                                                                                       \
    return what == SHORT && size > 1 ? NEXT(name) halved : NEXT(name) arguments;                                        \
  }

READ(read, (int fd, void *data, size_t size), (fd, data, size), (fd, data, size / 2))
READ(pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), (fd, data, size / 2, at))
READ(pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at), (fd, data, size / 2, at))

#define WRITE(name, parameters, arguments, halved)                                                                     \
  ssize_t name parameters {                                                                                            \
    enum mode what = is_tracked(fd) ? meet_fd(#name, fd, 1) : NONE;                                                     \
    if (what == FAIL) return -1;                                                                                       \
    if (what != SHORT && what != KILL) return NEXT(name) arguments;                                                     \
    ssize_t done = size > 1 ? NEXT(name) halved : what == KILL ? 0 : NEXT(name) arguments;                              \
    if (what == KILL) end_process();                                                                                   \
    return done;                                                                                                       \
  }

WRITE(write, (int fd, const void *data, size_t size), (fd, data, size), (fd, data, size / 2))
WRITE(pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), (fd, data, size / 2, at))
WRITE(pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), (fd, data, size / 2, at))

/* Half of a list of buffers is half of the first one. */
static struct iovec half(const struct iovec *list) {
  return (struct iovec){list->iov_base, list->iov_len > 1 ? list->iov_len / 2 : list->iov_len};
}

#define WRITEV(name, parameters, arguments, halved)                                                                    \
  ssize_t name parameters {                                                                                            \
    enum mode what = is_tracked(fd) ? meet_fd(#name, fd, 1) : NONE;                                                     \
    if (what == FAIL) return -1;                                                                                       \
    if (what != SHORT && what != KILL) return NEXT(name) arguments;                                                     \
    struct iovec less = half(list);                                                                                    \
    ssize_t done = NEXT(name) halved;                                                                                  \
    if (what == KILL) end_process();                                                                                   \
    return done;                                                                                                       \
  }

WRITEV(writev, (int fd, const struct iovec *list, int count), (fd, list, count), (fd, &less, 1))
WRITEV(pwritev, (int fd, const struct iovec *list, int count, off_t at), (fd, list, count, at), (fd, &less, 1, at))
WRITEV(pwritev64, (int fd, const struct iovec *list, int count, off64_t at), (fd, list, count, at), (fd, &less, 1, at))

/* libuv makes some calls by number. */
long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long);
  long d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
  va_end(rest);
  if (number == SYS_close) return close((int)a);
  if (number == SYS_statx && below((const char *)b) && meet("statx", (const char *)b, 0) == FAIL) return -1;
  return real_syscall(number, a, b, c, d, e, f);
}

void *dlopen(const char *file, int flags) {
  Dl_info self;
  if (file != NULL && strcmp(file, "libc.so.6") == 0 && dladdr((void *)start, &self) != 0) file = self.dli_fname;
  return ((void *(*)(const char *, int))next("dlopen"))(file, flags);
}
