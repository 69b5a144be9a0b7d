// `bench peers`: the collector's contract on Go's net/http. One write and one fdatasync for all that wait, then their
// 204s. server PORT FILE
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"syscall"
)

type event struct {
	ID    string `json:"id"`
	Show  string `json:"show"`
	PosMs *int64 `json:"pos_ms"`
}

type request struct {
	lines []byte
	done  chan error
}

// commit takes what has gathered while the last group was being written.
func commit(file *os.File, queue <-chan request) {
	for first := range queue {
		group := []request{first}
		lines := append([]byte(nil), first.lines...)
	gather:
		for {
			select {
			case next := <-queue:
				group = append(group, next)
				lines = append(lines, next.lines...)
			default:
				break gather
			}
		}
		_, err := file.Write(lines)
		if err == nil {
			err = syscall.Fdatasync(int(file.Fd()))
		}
		for _, waiting := range group {
			waiting.done <- err
		}
	}
}

func check(body []byte) ([]byte, bool) {
	var raw []json.RawMessage
	if json.Unmarshal(body, &raw) != nil || len(raw) == 0 || len(raw) > 100 {
		return nil, false
	}
	lines := make([]byte, 0, len(body)+1)
	for _, bytes := range raw {
		var one event
		if json.Unmarshal(bytes, &one) != nil || one.ID == "" || one.Show == "" || one.PosMs == nil {
			return nil, false
		}
		lines = append(append(lines, bytes...), '\n')
	}
	return lines, true
}

func main() {
	file, err := os.OpenFile(os.Args[2], os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		log.Fatal(err)
	}
	queue := make(chan request, 4096)
	go commit(file, queue)
	http.HandleFunc("/events", func(answer http.ResponseWriter, asked *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(answer, asked.Body, 256<<10))
		lines, valid := check(body)
		if err != nil || !valid {
			http.Error(answer, "not 1 to 100 events with id, show and pos_ms", http.StatusBadRequest)
			return
		}
		waiting := request{lines, make(chan error, 1)}
		queue <- waiting
		if <-waiting.done != nil {
			answer.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		answer.WriteHeader(http.StatusNoContent)
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
