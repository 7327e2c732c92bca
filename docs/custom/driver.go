// A driver of the server beside this file, in Go: lines of JSON in, lines of JSON out, each operation in a goroutine of its own.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

type request struct {
	ID      uint64          `json:"id"`
	Address string          `json:"address"`
	F       string          `json:"f"`
	Key     string          `json:"key"`
	Value   json.RawMessage `json:"value"`
}

type reply struct {
	ID    uint64          `json:"id"`
	Type  string          `json:"type"`
	Value json.RawMessage `json:"value,omitempty"`
	Error string          `json:"error,omitempty"`
}

var client = http.Client{Timeout: time.Second}

// ask returns the status and the value. Without a connection nothing was sent: the error says whether that is so.
func ask(to request, method string, body any) (int, json.RawMessage, error) {
	content := &bytes.Buffer{}
	if body != nil {
		if err := json.NewEncoder(content).Encode(body); err != nil {
			return 0, nil, err
		}
	}
	asked, err := http.NewRequest(method, "http://"+to.Address+"/"+url.PathEscape(to.Key), content)
	if err != nil {
		return 0, nil, err
	}
	answer, err := client.Do(asked)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	var found struct{ Value json.RawMessage }
	err = json.NewDecoder(answer.Body).Decode(&found)
	return answer.StatusCode, found.Value, err
}

func operate(asked request) reply {
	var status int
	var value json.RawMessage
	var err error
	switch asked.F {
	case "read":
		_, value, err = ask(asked, "GET", nil)
	case "write":
		_, _, err = ask(asked, "PUT", map[string]any{"value": asked.Value})
	case "cas":
		var pair []json.RawMessage
		if err := json.Unmarshal(asked.Value, &pair); err != nil || len(pair) != 2 {
			return reply{ID: asked.ID, Type: "fail", Error: "cas needs a pair"}
		}
		status, _, err = ask(asked, "POST", map[string]any{"from": pair[0], "to": pair[1]})
	default:
		return reply{ID: asked.ID, Type: "fail", Error: "unknown function " + asked.F}
	}
	var network *net.OpError
	switch {
	case errors.As(err, &network) && network.Op == "dial":
		return reply{ID: asked.ID, Type: "fail", Error: err.Error()}
	case err != nil: // it may have happened; the bench knows that of a read nothing has
		return reply{ID: asked.ID, Type: "info", Error: err.Error()}
	case status == http.StatusConflict:
		return reply{ID: asked.ID, Type: "fail", Error: "another value"}
	}
	return reply{ID: asked.ID, Type: "ok", Value: value}
}

func main() {
	var lock sync.Mutex
	out, in := json.NewEncoder(os.Stdout), bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var asked request
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			panic(err)
		}
		go func() {
			done := operate(asked)
			lock.Lock()
			defer lock.Unlock()
			out.Encode(done)
		}()
	}
}
