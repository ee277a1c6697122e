// Package output prints answers in etcdctl's formats. What an answer looks like in each is in the file of its kind; the
// formats themselves are in printer.go. It asks nobody for anything.
package output

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"
	"google.golang.org/protobuf/proto"
)

// ErrFormat is returned where there is no format of that name, or an answer does not come in it.
var ErrFormat = errors.New("not supported as output format")

// The formats, by the names that --write-out takes.
const (
	Simple   = "simple"
	Fields   = "fields"
	JSON     = "json"
	Protobuf = "protobuf"
	Table    = "table"
)

// Formats are the names of all formats.
func Formats() []string { return []string{Fields, JSON, Protobuf, Simple, Table} }

// Answer is what a command has to show, in each format that it comes in. What is nil is a format that it does not come in.
type Answer struct {
	Simple  func(*Text)
	Fields  func(*Text)
	Table   func() Rows
	JSON    any
	HexJSON any // in place of JSON with --hex, if it is there
	Message proto.Message
}

// Rows are a table: the names of its columns, and a string for each of them in every row.
type Rows struct {
	Header []string
	Rows   [][]string
}

// Printer prints answers, one whole answer at a time, by any number of goroutines.
type Printer struct {
	format string
	hex    bool
	mu     struct {
		sync.Mutex
		out *bufio.Writer
	}
}

// NewPrinter makes a printer for a format, or returns ErrFormat.
func NewPrinter(format string, hex bool, w io.Writer) (*Printer, error) {
	if !slices.Contains(Formats(), format) {
		return nil, fmt.Errorf("unsupported output format: %q is %w; there are %v", format, ErrFormat, Formats())
	}
	p := &Printer{format: format, hex: hex}
	p.mu.out = bufio.NewWriter(w)
	return p, nil
}

// Print prints an answer and returns when it is written. It returns ErrFormat if the answer does not come in the printer's format.
func (p *Printer) Print(answer Answer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.writeLocked(answer); err != nil {
		return err
	}
	return p.mu.out.Flush()
}

func (p *Printer) writeLocked(answer Answer) error {
	text := &Text{w: p.mu.out, Hex: p.hex}
	switch {
	case p.format == Simple && answer.Simple != nil:
		answer.Simple(text)
	case p.format == Fields && answer.Fields != nil:
		answer.Fields(text)
	case p.format == Table && answer.Table != nil:
		return writeTable(p.mu.out, answer.Table())
	case p.format == JSON && answer.JSON != nil:
		value := answer.JSON
		if p.hex && answer.HexJSON != nil {
			value = answer.HexJSON
		}
		encoded, err := json.Marshal(value)
		if err != nil {
			return err
		}
		text.Linef("%s", encoded)
	case p.format == Protobuf && answer.Message != nil:
		encoded, err := proto.Marshal(answer.Message)
		if err != nil {
			return err
		}
		if _, err := p.mu.out.Write(encoded); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s %w", p.format, ErrFormat)
	}
	return nil
}

func writeTable(w io.Writer, rows Rows) error {
	config := tablewriter.NewConfigBuilder().WithRowAlignment(tw.AlignRight)
	table := tablewriter.NewTable(w, tablewriter.WithConfig(config.Build()))
	table.Header(rows.Header)
	if err := table.Bulk(rows.Rows); err != nil {
		return err
	}
	return table.Render()
}

// Text is where an answer's lines go. Errors of writing come out when it is flushed.
type Text struct {
	w   *bufio.Writer
	Hex bool // --hex
}

// Printf writes part of a line.
func (t *Text) Printf(format string, args ...any) { fmt.Fprintf(t.w, format, args...) }

// Linef writes a line.
func (t *Text) Linef(format string, args ...any) {
	fmt.Fprintf(t.w, format, args...)
	t.w.WriteByte('\n') //nolint:errcheck // kept by the writer until Flush
}

// row writes the cells of a table's row as a line of the format simple.
func (t *Text) row(cells []string) { t.Linef("%s", strings.Join(cells, ", ")) }

// field writes a line of the format fields.
func (t *Text) field(name string, value any) { t.Linef("%q : %v", name, value) }

// quoted writes a line of the format fields whose value is quoted.
func (t *Text) quoted(name, value string) { t.Linef("%q : %q", name, value) }
