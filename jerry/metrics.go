package jerry

import (
	"encoding/json"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are Jerry's own health. No label holds a name or an address from the
// traffic; servers are a label, and bounded in number.
type metrics struct {
	registry *prometheus.Registry
	received prometheus.Counter
	refused  *prometheus.CounterVec
	repeats  prometheus.Counter
	cut      prometheus.Counter
}

func newMetrics(j *Jerry) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "ratadns_jerry_" + name, Help: help})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		received: counter("reports_received_total", "Reports that reached Jerry."),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ratadns_jerry_reports_refused_total", Help: "Reports that were not kept, by reason.",
		}, []string{"reason"}),
		repeats: counter("reports_repeated_total", "Reports that had been heard before."),
		cut:     counter("live_readers_cut_total", "Readers of the event stream that were too slow."),
	}
	for _, r := range reasons {
		m.refused.WithLabelValues(r) // so that zeros are told too
	}
	m.registry.MustRegister(m.received, m.refused, m.repeats, m.cut, storeCollector{j},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ratadns_jerry_"+name, help, labels, nil)
}

var (
	storedDesc    = describe("stored_bytes", "Octets of the reports kept, as they came.")
	windowsDesc   = describe("windows", "Reports kept.")
	serversDesc   = describe("servers", "Servers heard.")
	typesDesc     = describe("types", "Types of reports heard.")
	readersDesc   = describe("live_readers", "Readers of the event stream.")
	connectedDesc = describe("redis_connected", "1 when Jerry is subscribed to Redis.")
	seenDesc      = describe("server_last_seen_timestamp_seconds", "End of the newest window.", "server")
	lostDesc      = describe("server_lost", "Packets and messages lost in the windows kept.", "server")
	malformedDesc = describe("server_malformed", "Malformed messages in the windows kept.", "server")
	gapsDesc      = describe("server_gaps", "Reports missing among those kept, by their numbers.", "server")
)

// storeCollector reads what is kept at the time somebody asks.
type storeCollector struct{ jerry *Jerry }

// Describe implements [prometheus.Collector].
func (c storeCollector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements [prometheus.Collector].
func (c storeCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(readersDesc, float64(c.jerry.live.count()))
	if connected := c.jerry.connected; connected != nil {
		v := 0.0
		if connected() {
			v = 1
		}
		gauge(connectedDesc, v)
	}
	limit := c.jerry.now().Add(maxSkew).UnixNano()
	s := c.jerry.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	gauge(storedDesc, float64(s.bytes))
	gauge(windowsDesc, float64(s.windows))
	gauge(serversDesc, float64(len(s.servers)))
	gauge(typesDesc, float64(len(s.types)))
	for name, srv := range s.servers {
		gauge(seenDesc, float64(srv.newestEnd(limit))/1e9, name)
		sum := srv.sum()
		gauge(lostDesc, float64(sum.lost), name)
		gauge(malformedDesc, float64(sum.malformed), name)
		gauge(gapsDesc, float64(srv.gaps), name)
	}
}

// number reads one number of a report's data.
func number(data json.RawMessage, member string) (float64, bool) {
	var m map[string]*float64
	if json.Unmarshal(data, &m) != nil || m[member] == nil {
		return 0, false
	}
	return *m[member], true
}
