package api

import (
	"expvar"
	"fmt"
	"net/http"
	"net/http/pprof"
)

// addProfiling adds the paths of etcd's --enable-pprof: profiles, and what the runtime counts. They tell strangers much of the process, and cost
// much; so there are none unless they are asked for.
func addProfiling(mux *http.ServeMux) {
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/vars", serveVars)
}

// serveVars is expvar's handler without the command line, which may have passwords in it; so is the profiles' path of it left out.
func serveVars(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	separator := "{\n"
	expvar.Do(func(v expvar.KeyValue) {
		if v.Key == "cmdline" {
			return
		}
		fmt.Fprintf(w, "%s%q: %s", separator, v.Key, v.Value)
		separator = ",\n"
	})
	fmt.Fprintln(w, "\n}")
}
