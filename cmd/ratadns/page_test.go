package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"ratadns/capture"
	"ratadns/dns"
)

// browser is a headless Chromium with a page of that size; what the console and
// the page complain about fails the test.
func browser(t *testing.T, width, height int64) context.Context {
	t.Helper()
	require(t, "chromium")
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("no-proxy-server", true),
		chromedp.UserDataDir(t.TempDir()),
	)...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	do(t, ctx, chromedp.EmulateViewport(width, height)) // starts it
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleException {
				t.Errorf("console: %s", m.Text)
			}
		}
	}()
	err := chromedp.Listen(ctx, func(ev any) {
		if ev, ok := ev.(*page.EventJavascriptDialogOpening); ok {
			t.Errorf("the page opened a dialog: %s", ev.Message)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// shifts adds up how much the page's parts moved about, from before it loads.
const shifts = `window.shifted = 0;
new PerformanceObserver(list => { for (const e of list.getEntries()) window.shifted += e.value; })
	.observe({type: 'layout-shift', buffered: true});`

func do(t *testing.T, ctx context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// ask runs an action that has a result.
func ask[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// panel selects inside one of the page's panels.
func panel(name, inside string) chromedp.CSS {
	return chromedp.CSS(`[data-testid="` + name + `"] ` + inside)
}

// up starts `ratadns up` on a capture, as fast as it goes.
func up(t *testing.T, pcap, config string) (url string) {
	t.Helper()
	port := freePort(t)
	args := []string{"up", "-r", pcap, "--speed", "max", "--listen", "127.0.0.1:" + port}
	if config != "" {
		args = append(args, "--config", config)
	}
	start(t, self(t), args...)
	url = "http://127.0.0.1:" + port
	eventually(t, "the dashboard is there", func() error {
		var servers struct{ Servers []struct{ Server string } }
		if err := get(url+"/api/v1/servers", &servers); err != nil {
			return err
		}
		if len(servers.Servers) == 0 {
			return fmt.Errorf("no server yet")
		}
		return nil
	})
	return url
}

// recent is the sample capture with its times moved so that it ends now.
func recent(t *testing.T) string {
	t.Helper()
	packets := packetsOf(t, samplePcap(t))
	shift := time.Now().UnixNano() - packets[len(packets)-1].Time
	for i := range packets {
		packets[i].Time += shift
	}
	return writePcap(t, packets)
}

func writePcap(t *testing.T, packets []capture.Packet) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "made.pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := capture.NewWriter(f, packets[0].Link)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(packets...); err != nil {
		t.Fatal(err)
	}
	return name
}

const sampleConfig = `servers:
  ns1: [192.0.2.1, "2001:db8::1"]
  ns2: [192.0.2.2, "2001:db8::2"]
  resolver: [192.0.2.53, "2001:db8::53"]
window: {duration: 10s}
`

// TestPage looks at the dashboard of the sample capture. With RATADNS_PICTURE
// set to a folder it leaves the README's pictures there.
func TestPage(t *testing.T) {
	config := filepath.Join(t.TempDir(), "sample.yml")
	if err := os.WriteFile(config, []byte(sampleConfig), 0o644); err != nil {
		t.Fatal(err)
	}
	url := up(t, recent(t), config)
	pictures := os.Getenv("RATADNS_PICTURE")
	if pictures == "" {
		pictures = t.TempDir()
	}
	for _, theme := range []string{"light", "dark"} {
		ctx := browser(t, 1360, 1240)
		do(t, ctx,
			chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument,
					page.AddScriptToEvaluateOnNewDocumentParams{Source: shifts})
				return err
			}),
			chromedp.Navigate(url+"/?theme="+theme),
			chromedp.WaitVisible(chromedp.CSS(`html[data-ready="true"]`)),
			chromedp.WaitVisible(panel("servers", `tr[data-key="resolver"]`)),
			chromedp.WaitVisible(panel("top-names", `tr[data-key]`)),
			chromedp.WaitVisible(panel("malformed", `tr[data-key]`)),
			chromedp.WaitVisible(panel("underscored", `tr[data-key]`)),
			chromedp.WaitVisible(panel("chart", `canvas`)),
			chromedp.Sleep(3*time.Second), // a few rounds of refreshing
		)
		servers := ask(t, ctx, chromedp.Text(panel("servers", "")))
		names := ask(t, ctx, chromedp.Text(panel("top-names", "")))
		connection := ask(t, ctx, chromedp.Text(panel("connection", "")))
		shifted := ask(t, ctx, chromedp.Evaluate[float64](`window.shifted`))
		wide := ask(t, ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
		picture := ask(t, ctx, chromedp.CaptureScreenshot())
		for _, want := range []string{"ns1", "ns2", "resolver"} {
			if !strings.Contains(servers, want) {
				t.Errorf("%s: servers %q lack %s", theme, servers, want)
			}
		}
		if !strings.Contains(names, "example.") {
			t.Errorf("%s: top names are %q", theme, names)
		}
		if !strings.Contains(connection, "Connected") {
			t.Errorf("%s: connection is %q", theme, connection)
		}
		// What people call good is below 0.1; numbers that move must not.
		if shifted > 0.02 {
			t.Errorf("%s: the layout shifted by %g", theme, shifted)
		}
		if wide {
			t.Errorf("%s: the page scrolls sideways", theme)
		}
		if err := os.WriteFile(filepath.Join(pictures, "dashboard-"+theme+".png"), picture, 0o644); err != nil {
			t.Error(err)
		}
	}
}

// hostile is a name that a page which takes names for HTML would run.
const hostile = `<img src=x onerror=alert(1)>`

// TestHostileNames asks for names made to be run by a page, as the most asked,
// as underscored ones and in malformed messages: they show as text.
func TestHostileNames(t *testing.T) {
	now := time.Now().Add(-time.Minute).UnixNano()
	var packets []capture.Packet
	for i := range 300 {
		name, promised := hostile+".example.", 0
		switch i % 3 {
		case 1:
			name = hostile + "_x.example."
		case 2:
			promised = 1 // an answer that is not there
		}
		packets = append(packets, capture.Packet{
			Time: now + int64(i)*int64(100*time.Millisecond), Link: capture.LinkRaw,
			Data: queryPacket(t, name, uint16(i), promised),
		})
	}
	url := up(t, writePcap(t, packets), "")
	ctx := browser(t, 1360, 1240)
	do(t, ctx, chromedp.Navigate(url), chromedp.WaitVisible(chromedp.CSS(`html[data-ready="true"]`)))
	texts := make(map[string]string)
	for _, name := range []string{"top-names", "malformed", "underscored"} {
		do(t, ctx, chromedp.WaitVisible(panel(name, `tr[data-key]`)))
		texts[name] = ask(t, ctx, chromedp.Text(panel(name, "")))
	}
	do(t, ctx, chromedp.Sleep(time.Second)) // for whatever a name might start
	images := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll('img[src="x"], [onerror]').length`))
	scripts := ask(t, ctx, chromedp.Evaluate[int](`document.querySelectorAll('script:not([src])').length`))
	// A space inside a label is written \032.
	shown := strings.ReplaceAll(hostile, " ", `\032`)
	for name, text := range texts {
		if !strings.Contains(text, shown) {
			t.Errorf("%s does not show %q: %q", name, shown, text)
		}
	}
	if images != 0 || scripts != 0 {
		t.Errorf("%d elements were made of names, %d scripts are inline", images, scripts)
	}
}

// queryPacket is an IPv4 packet with a query for name whose header promises
// answers.
func queryPacket(t *testing.T, name string, id uint16, answers int) []byte {
	t.Helper()
	msg := []byte{byte(id >> 8), byte(id), 1, 0, 0, 1, 0, byte(answers), 0, 0, 0, 0}
	msg, _, err := dns.AppendWire(msg, []byte(name))
	if err != nil {
		t.Fatal(err)
	}
	msg = append(msg, 0, 1, 0, 1)
	src, dst := netip.MustParseAddr("198.51.100.7").As4(), netip.MustParseAddr("192.0.2.1").As4()
	ip := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0}
	binary.BigEndian.PutUint16(ip[2:], uint16(28+len(msg)))
	ip = append(append(ip, src[:]...), dst[:]...)
	udp := []byte{0xc0, 0, 0, 53, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(udp[4:], uint16(8+len(msg)))
	return append(append(ip, udp...), msg...)
}
