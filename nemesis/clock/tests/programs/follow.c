// Prints "monotonic realtime" in ns for every line that it reads.
#include <stdio.h>
#include <time.h>

int main(void) {
  char line[64];
  while (fgets(line, sizeof line, stdin)) {
    struct timespec m, w;
    clock_gettime(CLOCK_MONOTONIC, &m);
    clock_gettime(CLOCK_REALTIME, &w);
    printf("%ld %ld\n", m.tv_sec * 1000000000L + m.tv_nsec, w.tv_sec * 1000000000L + w.tv_nsec);
    fflush(stdout);
  }
  return 0;
}
