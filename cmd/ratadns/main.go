// Command ratadns watches the DNS traffic of many servers. Each subcommand is
// one link of the chain and has a file of its own here; `up` is all of them in
// one process.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// version is set by the linker (see the Makefile).
var version = "devel"

type commands struct {
	Up       upCmd       `cmd:"" help:"Run the whole chain in one process, with the dashboard."`
	Speedy   speedyCmd   `cmd:"" help:"Turn packets into messages, length-prefixed JSON on standard output."`
	Fievel   fievelCmd   `cmd:"" help:"Reduce Speedy's messages to reports."`
	Monitor  monitorCmd  `cmd:"" help:"Speedy and Fievel in one process."`
	Jerry    jerryCmd    `cmd:"" help:"Aggregate the reports of many monitors; serve the API and the dashboard."`
	Report   reportCmd   `cmd:"" help:"Answer one question about captures, at once."`
	Archive  archiveCmd  `cmd:"" help:"Keep packets in compressed files named by time."`
	Replay   replayCmd   `cmd:"" help:"Play captured packets again, at any speed."`
	Reducers reducersCmd `cmd:"" help:"List the reducers of the catalogue."`
	Config   configCmd   `cmd:"" help:"Check a configuration file, or print an example."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

// env is what a command works with; a test can make another.
type env struct {
	ctx    context.Context // done on Ctrl-C and SIGTERM
	stdin  io.Reader
	stdout io.Writer // buffered, flushed at the end
	// rawStdout is for those who write much at once.
	rawStdout io.Writer
	log       *slog.Logger
}

// A usageError is the user's mistake on the command line or in the
// configuration: exit status 2.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hinted is an error with advice, printed on a line of its own.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error     { return h.error }
func (u usageError) Unwrap() error { return u.error }

// echoTime is how long after a signal another is the same one: timeout(1) sends
// it to its command and then to their process group. Nobody presses Ctrl-C again
// before that.
const echoTime = 200 * time.Millisecond

func main() { os.Exit(run(os.Args[1:])) }

// run executes one command line and returns the exit status: 0 done, 1 failed,
// 2 wrong usage.
func run(args []string) int {
	// A reader of standard output that goes away is an end, not a crash:
	// writing then returns EPIPE instead of raising the signal.
	signal.Ignore(syscall.SIGPIPE)
	var cli commands
	status := -1
	parser := kong.Must(&cli,
		kong.Name("ratadns"),
		kong.Description("Watch the DNS traffic of many servers: packets to messages, windows, reports, one dashboard.\n\nStart with: ratadns up"),
		kong.UsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, Summary: false}),
		kong.Exit(func(code int) { status = code }),
	)
	parser.Stdout, parser.Stderr = os.Stdout, os.Stderr
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if status >= 0 { // -h
		return status
	}
	if err != nil {
		name := "ratadns"
		var perr *kong.ParseError
		if errors.As(err, &perr) {
			name = strings.TrimSpace("ratadns " + perr.Context.Command())
		}
		return fail(name, usageError{err})
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What waits for somebody who reads nothing cannot end in order: the second
	// signal is not caught.
	context.AfterFunc(ctx, func() { time.AfterFunc(echoTime, stop) })
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	e := &env{
		ctx: ctx, stdin: os.Stdin, stdout: out, rawStdout: os.Stdout,
		log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
	err = kctx.Run(e)
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	if err == nil || errors.Is(err, syscall.EPIPE) || errors.Is(err, context.Canceled) {
		return 0
	}
	return fail("ratadns "+strings.Fields(kctx.Command())[0], err)
}

// fail prints err to standard error and returns its exit status.
func fail(name string, err error) int {
	what := err.Error()
	var path *fs.PathError
	if errors.As(err, &path) { // the thing first, not the system call
		what = strings.Replace(what, path.Error(), path.Path+": "+path.Err.Error(), 1)
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", name, strings.ReplaceAll(what, "\n", "; "))
	var h hinted
	if errors.As(err, &h) {
		fmt.Fprintf(os.Stderr, "hint: %s\n", h.hint)
	}
	var u usageError
	if errors.As(err, &u) {
		return 2
	}
	return 1
}
