// Makes every call to a disk that can be reported: "disk CALLS TIMES FILE..": to each file "syncs", "reads", "writes" or
// "wait" (one fsync, after a line that says that it comes). A line for each call: its name, its error (0 for none) and
// how many microseconds it took.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char bytes[4096];
static struct iovec part = {bytes, sizeof bytes};

static void say(const char *name, long result, struct timespec from) {
  int error = result < 0 ? errno : 0;
  struct timespec to;
  clock_gettime(CLOCK_MONOTONIC, &to);
  long us = (to.tv_sec - from.tv_sec) * 1000000 + (to.tv_nsec - from.tv_nsec) / 1000;
  printf("%s %d %ld\n", name, error, us);
}

#define CALL(name, call)                    \
  do {                                      \
    struct timespec from;                   \
    clock_gettime(CLOCK_MONOTONIC, &from);  \
    say(name, call, from);                  \
  } while (0)

static void syncs(int fd) {
  char *mapped = mmap(0, sizeof bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  CALL("fsync", fsync(fd));
  CALL("fdatasync", fdatasync(fd));
  CALL("sync_file_range", sync_file_range(fd, 0, 1, SYNC_FILE_RANGE_WRITE));
  CALL("syncfs", syncfs(fd));
  CALL("msync", msync(mapped, sizeof bytes, MS_SYNC));
}

static void reads(int fd) {
  lseek(fd, 0, SEEK_SET);
  CALL("read", read(fd, bytes, 1));
  CALL("pread", pread(fd, bytes, 1, 0));
  CALL("readv", readv(fd, &part, 1));
  CALL("preadv", preadv(fd, &part, 1, 0));
  CALL("preadv2", preadv2(fd, &part, 1, 0, RWF_HIPRI));
}

static void writes(int fd) {
  CALL("write", write(fd, bytes, 1));
  CALL("pwrite", pwrite(fd, bytes, 1, 0));
  CALL("writev", writev(fd, &part, 1));
  CALL("pwritev", pwritev(fd, &part, 1, 0));
  CALL("pwritev2", pwritev2(fd, &part, 1, 0, RWF_DSYNC));
}

int main(int argc, char **argv) {
  for (int i = 3; i < argc; i++) {
    int fd = open(argv[i], O_CREAT | O_RDWR, 0600);
    if (fd < 0 || ftruncate(fd, sizeof bytes)) return 3;
    for (int times = atoi(argv[2]); times; times--) {
      if (!strcmp(argv[1], "syncs")) syncs(fd);
      if (!strcmp(argv[1], "reads")) reads(fd);
      if (!strcmp(argv[1], "writes")) writes(fd);
      if (!strcmp(argv[1], "wait")) {
        puts("now");
        fflush(stdout);
        CALL("fsync", fsync(fd));
      }
    }
  }
  return 0;
}
