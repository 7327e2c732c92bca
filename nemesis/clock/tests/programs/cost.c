// Prints ns a call: "clock_gettime(REALTIME) clock_gettime(MONOTONIC) gettimeofday time getppid". The last one is a
// system call that no filter reports: what the filter itself costs.
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

#define MEASURE(calls, call)                             \
  do {                                                   \
    double begin = now();                                \
    for (int i = 0; i < (calls); i++) call;              \
    printf("%.1f ", (now() - begin) / (calls));          \
  } while (0)

int main(void) {
  struct timespec t;
  struct timeval v;
  MEASURE(2000000, clock_gettime(CLOCK_REALTIME, &t));
  MEASURE(2000000, clock_gettime(CLOCK_MONOTONIC, &t));
  MEASURE(2000000, gettimeofday(&v, 0));
  MEASURE(2000000, time(0));
  MEASURE(500000, syscall(SYS_getppid));
  puts("");
  return 0;
}
