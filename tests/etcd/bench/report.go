package main

import (
	"fmt"
	"strings"
	"time"
)

// heading begins the table. Of two figures with a stroke between them the first is the first system's.
func heading(first string) string {
	return "| operation | unit | " + first + ` | quorate | ratio | p99, ms | server CPU an operation, µs | peak memory, MB | note |
|---|---|---|---|---|---|---|---|---|
`
}

// row is a case's line; a ratio above 1 is in our favour, whichever way the unit counts.
func row(c benchCase, etcd, quorate result) string {
	ratio := quorate.value / etcd.value
	if c.lowerIsBetter {
		ratio = 1 / ratio
	}
	p99 := "–"
	if etcd.p99 > 0 {
		p99 = fmt.Sprintf("%.1f / %.1f", milliseconds(etcd.p99), milliseconds(quorate.p99))
	}
	cpu := "–"
	if etcd.cpuPerOp > 0 {
		cpu = microseconds(etcd.cpuPerOp) + " / " + microseconds(quorate.cpuPerOp)
	}
	note := ""
	if etcd.memory != (memory{}) {
		note = etcd.memory.String() + " / " + quorate.memory.String()
	}
	if etcd.note != "" || quorate.note != "" {
		note += etcd.note + " / " + quorate.note
	}
	return "| " + strings.Join([]string{
		c.title, c.unit, figure(etcd.value), figure(quorate.value), fmt.Sprintf("%.2f", ratio), p99, cpu,
		fmt.Sprintf("%d / %d", etcd.peakBytes>>20, quorate.peakBytes>>20), note,
	}, " | ") + " |"
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 }

// microseconds prints an event of a watch, half a microsecond, to a hundredth.
func microseconds(d time.Duration) string {
	us := float64(d.Nanoseconds()) / 1e3
	if us < 10 {
		return fmt.Sprintf("%.2f", us)
	}
	return fmt.Sprintf("%.1f", us)
}

// figure prints as many digits as mean something.
func figure(value float64) string {
	if value < 100 {
		return fmt.Sprintf("%.2f", value)
	}
	return fmt.Sprintf("%.0f", value)
}
