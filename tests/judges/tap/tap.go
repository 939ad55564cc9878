// SPDX-License-Identifier: LGPL-2.1-or-later

// Package tap writes results in the Test Anything Protocol. It has the calls which the programs of runtime-tools make,
// because the library that they were written for is not a package of Debian.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// T counts the results of one program.
type T struct {
	Writer  io.Writer
	count   *int
	comment string
}

// New returns a counter that writes to standard output.
func New() *T {
	return &T{count: new(int)}
}

func (t *T) printf(format string, values ...interface{}) {
	out := t.Writer
	if out == nil {
		out = os.Stdout
	}
	fmt.Fprintf(out, format, values...)
}

// Header says which version of the protocol follows and, if it is known, how many results.
func (t *T) Header(count int) {
	t.printf("TAP version 13\n")
	if count > 0 {
		t.printf("1..%d\n", count)
	}
}

// AutoPlan says, at the end, how many results there were.
func (t *T) AutoPlan() {
	t.printf("1..%d\n", *t.count)
}

// Todo returns a counter whose failures are expected.
func (t *T) Todo() *T {
	return &T{Writer: t.Writer, count: t.count, comment: " # TODO"}
}

// Ok writes one result.
func (t *T) Ok(passed bool, description string) {
	word := "ok"
	if !passed {
		word = "not ok"
	}
	*t.count++
	t.printf("%s %d - %s%s\n", word, *t.count, description, t.comment)
}

// Pass writes a result that is good.
func (t *T) Pass(description string) {
	t.Ok(true, description)
}

// Fail writes a result that is bad.
func (t *T) Fail(description string) {
	t.Ok(false, description)
}

// Skip writes results that could not be had.
func (t *T) Skip(count int, reason string) {
	for i := 0; i < count; i++ {
		*t.count++
		t.printf("ok %d # SKIP %s\n", *t.count, reason)
	}
}

// Diagnostic writes lines for people.
func (t *T) Diagnostic(message string) {
	t.printf("# %s\n", strings.Replace(strings.TrimRight(message, "\n"), "\n", "\n# ", -1))
}

// Diagnosticf writes lines for people.
func (t *T) Diagnosticf(format string, values ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, values...))
}

// YAML writes a value below the result before it.
func (t *T) YAML(value interface{}) error {
	text, err := json.MarshalIndent(value, "  ", "  ")
	if err != nil {
		return err
	}
	t.printf("  ---\n  %s\n  ...\n", text)
	return nil
}
