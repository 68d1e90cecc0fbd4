/*
 * A disk with a volatile cache whose power can be cut afterwards: a FUSE file system of one file, `disk`, for a loop
 * device. What is written to it goes to an image, and in the same order to a log, with each flush that the kernel asks
 * for. All writes before a flush are durable; of those after the last one, any may be lost.
 *
 *   block-recorder MOUNT_POINT IMAGE LOG
 *
 * A record of the log is its offset (u64) and length (u32), in the byte order of the host, and then the bytes; a flush has
 * the length 0. One request is served at a time, so that the order of the log is the order of the disk. Says "ready" on
 * standard output once it is mounted, and ends when it is unmounted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_TRANSFER (256 * 4096)
#define DISK 2

static int device, image, logged;
static char request[MAX_TRANSFER + 4096], data[MAX_TRANSFER];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void answer(uint64_t unique, int error, const void *body, size_t size) {
  struct fuse_out_header head = {sizeof head + (error == 0 ? size : 0), -error, unique};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)body, size}};
  if (writev(device, parts, error == 0 && size > 0 ? 2 : 1) < 0 && errno != ENOENT) fail("answer");
}

static void record(uint64_t offset, uint32_t length, const void *bytes) {
  struct iovec parts[] = {{&offset, sizeof offset}, {&length, sizeof length}, {(void *)bytes, length}};
  if (writev(logged, parts, 3) != (ssize_t)(sizeof offset + sizeof length + length)) fail("log");
}

static struct fuse_attr attributes(uint64_t node) {
  struct stat stats;
  if (fstat(image, &stats) != 0) fail("image");
  struct fuse_attr attributes = {.ino = node, .mode = S_IFDIR | 0700, .nlink = 1, .blksize = 4096};
  if (node == DISK) {
    attributes.mode = S_IFREG | 0600;
    attributes.size = (uint64_t)stats.st_size;
    attributes.blocks = (uint64_t)stats.st_blocks;
  }
  return attributes;
}

static void serve(const struct fuse_in_header *head, const char *body) {
  switch (head->opcode) {
  case FUSE_INIT: {
    const struct fuse_init_in *in = (const void *)body;
    struct fuse_init_out out = {
        .major = FUSE_KERNEL_VERSION,
        .minor = in->minor < FUSE_KERNEL_MINOR_VERSION ? in->minor : FUSE_KERNEL_MINOR_VERSION,
        .flags = in->flags & (FUSE_BIG_WRITES | FUSE_MAX_PAGES),
        .max_readahead = in->max_readahead,
        .max_background = 16,
        .congestion_threshold = 12,
        .max_write = MAX_TRANSFER,
        .max_pages = MAX_TRANSFER / 4096,
        .time_gran = 1,
    };
    return answer(head->unique, 0, &out, sizeof out);
  }
  case FUSE_LOOKUP: {
    if (strcmp(body, "disk") != 0) return answer(head->unique, ENOENT, NULL, 0);
    struct fuse_entry_out out = {.nodeid = DISK, .entry_valid = 3600, .attr_valid = 3600, .attr = attributes(DISK)};
    return answer(head->unique, 0, &out, sizeof out);
  }
  case FUSE_GETATTR: {
    struct fuse_attr_out out = {.attr_valid = 3600, .attr = attributes(head->nodeid)};
    return answer(head->unique, 0, &out, sizeof out);
  }
  case FUSE_OPEN: {
    struct fuse_open_out out = {0};
    return answer(head->unique, 0, &out, sizeof out);
  }
  case FUSE_READ: {
    const struct fuse_read_in *in = (const void *)body;
    ssize_t count = pread(image, data, in->size, (off_t)in->offset);
    return answer(head->unique, count < 0 ? errno : 0, data, count < 0 ? 0 : (size_t)count);
  }
  case FUSE_WRITE: {
    const struct fuse_write_in *in = (const void *)body;
    ssize_t count = pwrite(image, in + 1, in->size, (off_t)in->offset);
    if (count != (ssize_t)in->size) return answer(head->unique, EIO, NULL, 0);
    record(in->offset, in->size, in + 1);
    struct fuse_write_out out = {.size = in->size};
    return answer(head->unique, 0, &out, sizeof out);
  }
  case FUSE_FSYNC:
    record(0, 0, NULL);
    return answer(head->unique, 0, NULL, 0);
  case FUSE_FLUSH:
  case FUSE_RELEASE:
    return answer(head->unique, 0, NULL, 0);
  case FUSE_FORGET:
  case FUSE_BATCH_FORGET:
  case FUSE_INTERRUPT:
    return;
  default:
    return answer(head->unique, ENOSYS, NULL, 0);
  }
}

int main(int count, char **arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: %s MOUNT_POINT IMAGE LOG\n", arguments[0]);
    return 2;
  }
  if ((image = open(arguments[2], O_RDWR | O_CLOEXEC)) < 0) fail(arguments[2]);
  if ((logged = open(arguments[3], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)) < 0) fail(arguments[3]);
  if ((device = open("/dev/fuse", O_RDWR | O_CLOEXEC)) < 0) fail("/dev/fuse");
  char options[64];
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", device);
  if (mount("block-recorder", arguments[1], "fuse", MS_NOSUID | MS_NODEV, options) != 0) fail(arguments[1]);
  puts("ready");
  fflush(stdout);
  for (;;) {
    ssize_t length = read(device, request, sizeof request);
    if (length < 0 && errno == ENODEV) return 0;
    if (length < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
    if (length < 0) fail("request");
    serve((const void *)request, request + sizeof(struct fuse_in_header));
  }
}
