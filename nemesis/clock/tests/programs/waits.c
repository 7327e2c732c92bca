// Waits until absolute times of the wall clock (all in the past) in three ways, and relatively and by the monotonic
// clock, which are not to be counted.
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/timerfd.h>
#include <time.h>

int main(void) {
  struct timespec past = {1, 0}, little = {0, 1000};
  struct itimerspec timer = {{0, 0}, {1, 0}};
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, 0);
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &past, 0);
  clock_nanosleep(CLOCK_REALTIME, 0, &little, 0);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, 0);
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
  pthread_mutex_lock(&mutex);
  struct timespec soon;
  clock_gettime(CLOCK_REALTIME, &soon);
  soon.tv_nsec = soon.tv_nsec + 1000000 < 1000000000 ? soon.tv_nsec + 1000000 : soon.tv_nsec;
  pthread_cond_timedwait(&condition, &mutex, &soon);
  pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &past);
  int fd = timerfd_create(CLOCK_REALTIME, 0);
  timerfd_settime(fd, TFD_TIMER_ABSTIME, &timer, 0);
  timerfd_settime(fd, 0, &timer, 0);
  return 0;
}
