//go:build ignore

// Loop repeats a capture, its times running on: go run loop.go IN OUT N.
package main

import (
	"bufio"
	"io"
	"log"
	"log/slog"
	"os"
	"strconv"
	"time"

	"ratadns/capture"
)

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: loop IN OUT N")
	}
	n, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	src, err := capture.Open(os.Args[1:2], slog.Default())
	if err != nil {
		log.Fatal(err)
	}
	var packets []capture.Packet
	for {
		var b capture.Batch
		if err := src.Read(&b); err == io.EOF {
			break
		} else if err != nil {
			log.Fatal(err)
		}
		packets = append(packets, b.Packets...)
	}
	span := packets[len(packets)-1].Time - packets[0].Time + int64(time.Second)
	f, err := os.Create(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	buf := bufio.NewWriterSize(f, 1<<20)
	w, err := capture.NewWriter(buf, packets[0].Link)
	if err != nil {
		log.Fatal(err)
	}
	for range n {
		if err := w.Write(packets...); err != nil {
			log.Fatal(err)
		}
		for i := range packets {
			packets[i].Time += span
		}
	}
	if err := buf.Flush(); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}
