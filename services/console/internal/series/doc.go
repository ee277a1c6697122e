// Package series remembers what a process has measured of itself, a point every ten seconds for two hours, in bounded memory: what a chart
// shows without a server of metrics beside the store. It reads the process's own metrics and knows nothing else of the store.
package series
