// Package budget says what memory is for: how many bytes each part of a process may hold (budget.go), how much garbage may lie
// beside them before it is collected (collector.go), what answers hold until clients have taken them
// (answers.go), how many requests and streams there is room for (places.go) and what one connection may have of them (shares.go), what the process as a whole may take (limit.go), and what of the program is given back once it has started (program_linux.go).
package budget
