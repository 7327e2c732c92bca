// A stand-in for the vDSO, the small library that the kernel maps into every program and in which C libraries, Go and
// the JVM read the time. It has the same symbols, calls the real functions, and adds the setting in the clock page to
// what wall clocks show. Monotonic clocks pass through.
//
// It is one page of code and constants without relocations. The clock page, a memory file that the bench writes, is
// mapped right behind it. The supervisor fills in `real` for each program before the page becomes read-only.

typedef long i64;
typedef unsigned long u64;

struct timespec { i64 s, ns; };
struct timeval { i64 s, us; };

struct setting { i64 offset_ns, drift_ppm, since_monotonic_ns; };

// src/clock.rs has the layout. The writer fills the setting that is not in use, then counts up: so readers never wait
// for it, not even when it is stopped half-way.
struct clock_page {
  unsigned char other_readers[64];
  u64 settings_made;
  struct setting settings[2];
};
extern const struct clock_page clock_page __attribute__((visibility("hidden")));

// The addresses of the real functions; zero where this kernel has none.
struct real {
  u64 marker;
  int (*clock_gettime)(i64 clock, struct timespec *);
  int (*gettimeofday)(struct timeval *, void *zone);
  int (*clock_getres)(i64 clock, struct timespec *);
  i64 (*getcpu)(unsigned *cpu, unsigned *node, void *unused);
  i64 (*getrandom)(void *buffer, u64 length, unsigned flags, void *state, u64 state_length);
};
__attribute__((section(".real"), used, visibility("hidden")))
const volatile struct real real = { 0x4c41455253534e44UL /* "DNSSREAL" */, 0, 0, 0, 0, 0 };

enum { REALTIME = 0, MONOTONIC = 1, REALTIME_COARSE = 5, REALTIME_ALARM = 8, TAI = 11 };
enum { SYS_clock_gettime = 228, SYS_clock_getres = 229, SYS_getcpu = 309, ENOSYS = 38 };
#define SECOND_NS 1000000000L

static i64 system_call(i64 number, i64 a, i64 b, i64 c) {
  i64 result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

static inline int true_time(i64 clock, struct timespec *time) {
  int (*function)(i64, struct timespec *) = real.clock_gettime;
  return function ? function(clock, time) : (int)system_call(SYS_clock_gettime, clock, (i64)time, 0);
}

static inline struct setting current_setting(void) {
  for (;;) {
    u64 made = __atomic_load_n(&clock_page.settings_made, __ATOMIC_ACQUIRE);
    const volatile struct setting *current = &clock_page.settings[made & 1];
    struct setting read = { current->offset_ns, current->drift_ppm, current->since_monotonic_ns };
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&clock_page.settings_made, __ATOMIC_RELAXED) == made) return read;
  }
}

// How far the wall clock is ahead, ns. Whole milliseconds and the rest are multiplied apart: no overflow in ten years
// at the largest drift.
static inline i64 ahead_ns(void) {
  struct setting setting = current_setting();
  if (!setting.drift_ppm) return setting.offset_ns;
  struct timespec now;
  true_time(MONOTONIC, &now);
  i64 elapsed_ns = now.s * SECOND_NS + now.ns - setting.since_monotonic_ns;
  return setting.offset_ns + elapsed_ns / 1000000 * setting.drift_ppm +
         elapsed_ns % 1000000 * setting.drift_ppm / 1000000;
}

static inline void shift(struct timespec *time) {
  i64 ahead = ahead_ns();
  i64 seconds = ahead / SECOND_NS, ns = time->ns + ahead % SECOND_NS;
  if (ns < 0) {
    ns += SECOND_NS;
    seconds--;
  } else if (ns >= SECOND_NS) {
    ns -= SECOND_NS;
    seconds++;
  }
  time->s += seconds;
  time->ns = ns;
}

int __vdso_clock_gettime(i64 clock, struct timespec *time) {
  int result = true_time((int)clock, time);
  int wall = (int)clock == REALTIME || (int)clock == REALTIME_COARSE || (int)clock == REALTIME_ALARM || (int)clock == TAI;
  if (!result && wall) shift(time);
  return result;
}

int __vdso_gettimeofday(struct timeval *time, void *zone) {
  int (*function)(struct timeval *, void *) = real.gettimeofday;
  if (zone && function) function(0, zone);
  if (time) {
    struct timespec exact;
    int result = __vdso_clock_gettime(REALTIME, &exact);
    if (result) return result;
    time->s = exact.s;
    time->us = exact.ns / 1000;
  }
  return 0;
}

i64 __vdso_time(i64 *seconds) {
  struct timespec time;
  __vdso_clock_gettime(REALTIME_COARSE, &time);
  if (seconds) *seconds = time.s;
  return time.s;
}

int __vdso_clock_getres(i64 clock, struct timespec *resolution) {
  int (*function)(i64, struct timespec *) = real.clock_getres;
  return function ? function(clock, resolution) : (int)system_call(SYS_clock_getres, clock, (i64)resolution, 0);
}

i64 __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused) {
  i64 (*function)(unsigned *, unsigned *, void *) = real.getcpu;
  return function ? function(cpu, node, unused) : system_call(SYS_getcpu, (i64)cpu, (i64)node, 0);
}

// C libraries take ENOSYS for "not here" and use the system call.
i64 __vdso_getrandom(void *buffer, u64 length, unsigned flags, void *state, u64 state_length) {
  i64 (*function)(void *, u64, unsigned, void *, u64) = real.getrandom;
  return function ? function(buffer, length, flags, state, state_length) : -ENOSYS;
}

int clock_gettime(i64, struct timespec *) __attribute__((weak, alias("__vdso_clock_gettime")));
int gettimeofday(struct timeval *, void *) __attribute__((weak, alias("__vdso_gettimeofday")));
i64 time(i64 *) __attribute__((weak, alias("__vdso_time")));
int clock_getres(i64, struct timespec *) __attribute__((weak, alias("__vdso_clock_getres")));
i64 getcpu(unsigned *, unsigned *, void *) __attribute__((weak, alias("__vdso_getcpu")));
i64 getrandom(void *, u64, unsigned, void *, u64) __attribute__((weak, alias("__vdso_getrandom")));
