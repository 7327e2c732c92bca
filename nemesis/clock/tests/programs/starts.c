// Starts programs in every way: "starts HOW PROGRAM": exec, thread (an exec from a second thread), vfork, spawn, fail
// (a failed exec first), many THREADS TIMES (each thread starts the program as often and waits for it).
#define _GNU_SOURCE
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *program;
static int times;

static void *become(void *unused) {
  execl(program, program, (char *)0);
  _exit(9);
  return unused;
}

static int spawned(void) {
  pid_t pid;
  int status;
  char *arguments[] = {program, 0};
  if (posix_spawn(&pid, program, 0, 0, arguments, environ) || waitpid(pid, &status, 0) != pid) return 8;
  return status;
}

static void *repeat(void *unused) {
  for (int i = 0; i < times; i++)
    if (spawned()) exit(7);
  return unused;
}

static int many(int threads) {
  pthread_t thread[64];
  for (int i = 0; i < threads && i < 64; i++) pthread_create(&thread[i], 0, repeat, 0);
  for (int i = 0; i < threads && i < 64; i++) pthread_join(thread[i], 0);
  return 0;
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  program = argv[2];
  if (!strcmp(argv[1], "many")) {
    times = atoi(argv[4]);
    return many(atoi(argv[3]));
  }
  if (!strcmp(argv[1], "spawn")) return spawned();
  if (!strcmp(argv[1], "fail")) {
    execl("/nonexistent/program", "program", (char *)0);
    execl("/", "directory", (char *)0);
    return become(0), 9;
  }
  if (!strcmp(argv[1], "thread")) {
    pthread_t thread;
    pthread_create(&thread, 0, become, 0);
    pthread_join(thread, 0);
    return 9;
  }
  if (!strcmp(argv[1], "vfork")) {
    int status;
    pid_t pid = vfork();
    if (!pid) become(0);
    return waitpid(pid, &status, 0) == pid ? status : 8;
  }
  return become(0), 9;
}
