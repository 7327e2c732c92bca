// Reads every clock in every way that C programs have. Output: one line "monotonic realtime coarse tai gettimeofday time
// raw resolution cpu", in ns; "raw" is CLOCK_REALTIME by a system call. With an argument, again after as many ms.
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t)) exit(3);
  return t.tv_sec * 1000000000L + t.tv_nsec;
}

int main(int argc, char **argv) {
  struct timeval day;
  struct timespec raw, resolution;
  long monotonic = ns(CLOCK_MONOTONIC), wall = ns(CLOCK_REALTIME);
  gettimeofday(&day, 0);
  if (syscall(SYS_clock_gettime, CLOCK_REALTIME, &raw) || clock_getres(CLOCK_REALTIME, &resolution)) return 3;
  printf("%ld %ld %ld %ld %ld %ld %ld %ld %d\n", monotonic, wall, ns(CLOCK_REALTIME_COARSE), ns(CLOCK_TAI),
         day.tv_sec * 1000000000L + day.tv_usec * 1000L, (long)time(0) * 1000000000L,
         raw.tv_sec * 1000000000L + raw.tv_nsec, resolution.tv_sec * 1000000000L + resolution.tv_nsec, sched_getcpu());
  return 0;
}
