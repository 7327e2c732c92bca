// A program without a library: ends with 5. Compiled with -m32, a 32-bit one.
void _start(void) {
#ifdef __x86_64__
  __asm__ volatile("syscall" : : "a"(231), "D"(5));
#else
  __asm__ volatile("int $0x80" : : "a"(252), "b"(5));
#endif
}
