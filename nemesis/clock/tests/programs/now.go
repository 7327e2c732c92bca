// Prints "monotonic realtime" in ns. Go does not show its monotonic clock, so that the kernel is asked for it.
package main

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	const clockMonotonic = 1
	var now syscall.Timespec
	_, _, failed := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockMonotonic, uintptr(unsafe.Pointer(&now)), 0)
	if failed != 0 {
		panic(failed)
	}
	fmt.Println(now.Nano(), time.Now().UnixNano())
}
