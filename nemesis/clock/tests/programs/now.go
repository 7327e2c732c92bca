// Prints "0 realtime" in ns: Go does not show its monotonic clock.
package main

import (
	"fmt"
	"time"
)

func main() {
	fmt.Println(0, time.Now().UnixNano())
}
