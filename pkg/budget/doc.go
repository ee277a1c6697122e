// Package budget says what memory is for: how many bytes each part of a process may hold (budget.go), and how much garbage
// may lie beside them before it is collected (collector.go). It holds no data of its own.
package budget
