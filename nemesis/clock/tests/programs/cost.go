// Prints ns a call: "time.Now time.Since".
package main

import (
	"fmt"
	"time"
)

func main() {
	const calls = 3000000
	var sink int64
	begin := time.Now()
	for i := 0; i < calls; i++ {
		sink += int64(time.Now().Nanosecond())
	}
	now := time.Since(begin)
	middle := time.Now()
	for i := 0; i < calls; i++ {
		sink += int64(time.Since(begin))
	}
	since := time.Since(middle)
	_ = sink
	fmt.Printf("%.1f %.1f\n", float64(now.Nanoseconds())/calls, float64(since.Nanoseconds())/calls)
}
